// What a load dump says besides the loads.

#ifndef EPLB_TOOLS_DUMP_SUMMARY_H_
#define EPLB_TOOLS_DUMP_SUMMARY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace eplb {

struct DumpSummary {
  std::string model_name;
  int64_t first_step = 0;
  int64_t last_step = 0;
  // Of the last line.
  int64_t world_size = 0;
  int64_t window_size = 0;
  int64_t num_physical_experts = 0;
  // Mean over max of the rank loads as they were counted, averaged over the
  // layers that had tokens; 0 when none had.
  double balancedness = 0;
};

// Errors begin with the name.
absl::StatusOr<DumpSummary> SummarizeDump(const std::string& name);

}  // namespace eplb

#endif  // EPLB_TOOLS_DUMP_SUMMARY_H_
