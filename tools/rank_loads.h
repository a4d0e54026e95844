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

// The same averaged over the layers with load, of [layers, ranks] row-major; 0
// when there are none.
double MeanBalancedness(absl::Span<const double> rank_loads, int num_ranks);

// Sets the load of each rank to the sum of its slots, for one layer or, row by
// row, for many. Slots divide by the ranks. Sums of 2^53 and more are rounded.
void SumSlotsByRank(absl::Span<const int64_t> slot_loads,
                    absl::Span<double> rank_loads);

}  // namespace eplb

#endif  // EPLB_TOOLS_RANK_LOADS_H_
