#include "tools/rank_loads.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

double Balancedness(absl::Span<const double> rank_loads) {
  double total = 0;
  double largest = 0;
  for (const double load : rank_loads) {
    total += load;
    largest = std::max(largest, load);
  }
  if (largest == 0) return 0;
  // The rounded mean of equal loads may be a bit more than each of them.
  return std::min(total / static_cast<double>(rank_loads.size()) / largest,
                  1.0);
}

double MeanBalancedness(absl::Span<const double> rank_loads, int num_ranks) {
  double sum = 0;
  int layers = 0;
  for (size_t begin = 0; begin < rank_loads.size(); begin += num_ranks) {
    const double balancedness =
        Balancedness(rank_loads.subspan(begin, num_ranks));
    sum += balancedness;
    layers += balancedness > 0;
  }
  return layers == 0 ? 0 : sum / layers;
}

void SumSlotsByRank(absl::Span<const int64_t> slot_loads,
                    absl::Span<double> rank_loads) {
  const size_t slots_per_rank = slot_loads.size() / rank_loads.size();
  size_t slot = 0;
  for (double& rank_load : rank_loads) {
    rank_load = 0;
    for (size_t i = 0; i < slots_per_rank; ++i) {
      rank_load += static_cast<double>(slot_loads[slot++]);
    }
  }
}

}  // namespace eplb
