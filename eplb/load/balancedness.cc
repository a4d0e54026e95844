#include "eplb/load/balancedness.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

std::vector<double> RankLoadsOfSlots(absl::Span<const int64_t> slot_counts,
                                     int num_layers, const Topology& topology) {
  const size_t rows = static_cast<size_t>(num_layers) * topology.num_ranks();
  const size_t slots_per_rank = slot_counts.size() / rows;
  std::vector<double> rank_loads(rows);
  for (size_t row = 0; row < rows; ++row) {
    int64_t tokens = 0;
    for (size_t slot = 0; slot < slots_per_rank; ++slot) {
      tokens += slot_counts[row * slots_per_rank + slot];
    }
    rank_loads[row] = static_cast<double>(tokens);
  }
  return rank_loads;
}

std::vector<double> PredictedRankLoads(absl::Span<const int64_t> logical_counts,
                                       const Placement& placement,
                                       const Topology& topology) {
  const int slots_per_rank = placement.num_slots() / topology.num_ranks();
  const size_t num_experts = placement.num_logical_experts();
  std::vector<double> rank_loads(static_cast<size_t>(placement.num_layers()) *
                                 topology.num_ranks());
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    double* const loads =
        &rank_loads[static_cast<size_t>(layer) * topology.num_ranks()];
    for (int slot = 0; slot < placement.num_slots(); ++slot) {
      const int32_t expert = placement.expert_of_slot(layer, slot);
      if (expert == Placement::kEmptySlot) continue;
      loads[slot / slots_per_rank] +=
          static_cast<double>(logical_counts[layer * num_experts + expert]) /
          placement.num_replicas(layer, expert);
    }
  }
  return rank_loads;
}

LoadBalance MeasureBalance(absl::Span<const double> rank_loads, int num_layers,
                           const Topology& topology) {
  LoadBalance balance;
  balance.layers.resize(num_layers);
  int num_active_layers = 0;
  for (int layer = 0; layer < num_layers; ++layer) {
    const double* const loads =
        &rank_loads[static_cast<size_t>(layer) * topology.num_ranks()];
    double total = 0;
    double largest = 0;
    for (const int rank : topology.active_ranks()) {
      total += loads[rank];
      largest = std::max(largest, loads[rank]);
    }
    if (largest == 0) continue;
    const double mean = total / topology.num_active_ranks();
    balance.layers[layer] = mean / largest;
    balance.balancedness += mean / largest;
    balance.avg_tokens += mean;
    balance.max_tokens += largest;
    ++num_active_layers;
  }
  if (num_active_layers > 0) balance.balancedness /= num_active_layers;
  return balance;
}

}  // namespace eplb
