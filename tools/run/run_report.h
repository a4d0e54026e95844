// RunReport: a run as a report page shows it.

#ifndef EPLB_TOOLS_RUN_RUN_REPORT_H_
#define EPLB_TOOLS_RUN_RUN_REPORT_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "tools/report/report.h"
#include "tools/run/phase_balance.h"
#include "tools/run/run_options.h"
#include "tools/run/run_result.h"

namespace eplb {

// `expert_loads` are the tokens of the whole run, [layers, experts] row-major;
// `placement` is the last one.
Report RunReport(const RunOptions& options, const RunResult& result,
                 const PhaseBalance& balance,
                 const std::vector<RearrangementFinished>& rearrangements,
                 absl::Span<const int64_t> expert_loads,
                 const Placement& placement);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_REPORT_H_
