// ReportStep: how evenly the tokens of a pass fell on the ranks, as an event
// and as a line of a dump.

#ifndef EPLB_STATE_STEP_REPORT_H_
#define EPLB_STATE_STEP_REPORT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"

namespace eplb {

struct StepReportOptions {
  int64_t step = 0;
  int64_t steps_until_rearrangement = 0;
  bool with_table = false;
  EventSink* events = nullptr;  // May be null.
};

// `sums` are those of all ranks, counted under `placement`. An error is that of
// the dump. May be called by a worker.
absl::Status ReportStep(Model& model, const Placement& placement,
                        const LoadSums::ModelPass& sums,
                        const Topology& topology,
                        const StepReportOptions& options);

}  // namespace eplb

#endif  // EPLB_STATE_STEP_REPORT_H_
