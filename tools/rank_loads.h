// The loads of the ranks, and how even they are.
//
//   std::vector<double> ranks(8);
//   SumSlotsByRank(slot_loads, absl::MakeSpan(ranks));
//   Balancedness(ranks);  // 0.83

#ifndef EPLB_TOOLS_RANK_LOADS_H_
#define EPLB_TOOLS_RANK_LOADS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// The mean over the largest, at most 1; 0 when no rank has load.
double Balancedness(absl::Span<const double> rank_loads);

// Sets the load of each rank to the sum of its slots, which divide by the
// ranks. Sums of 2^53 and more are rounded.
void SumSlotsByRank(absl::Span<const int64_t> slot_loads,
                    absl::Span<double> rank_loads);

}  // namespace eplb

#endif  // EPLB_TOOLS_RANK_LOADS_H_
