// Sizes that commands take as flags: their limits, and what must divide what.

#ifndef EPLB_TOOLS_SIZE_FLAGS_H_
#define EPLB_TOOLS_SIZE_FLAGS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

// Beyond every machine that is built; small enough that tables fit. The limit
// of ranks is kMaxRanks of eplb/core/topology.h.
inline constexpr int kMaxSlotsFlag = 1 << 24;
inline constexpr int kMaxThreadsFlag = 1024;

// InvalidArgument, with the nearest number that does, unless --ranks divide by
// --nodes.
absl::Status ValidateNodes(int ranks, int nodes);

// The same unless --groups divide the experts, which `source` has.
absl::Status ValidateGroups(int groups, int num_experts,
                            absl::string_view source);

}  // namespace eplb

#endif  // EPLB_TOOLS_SIZE_FLAGS_H_
