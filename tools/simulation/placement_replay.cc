#include "tools/simulation/placement_replay.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "tools/rank_loads.h"

namespace eplb {

PlacementReplay::PlacementReplay(const Placement& placement, int num_ranks)
    : num_ranks_(num_ranks),
      num_experts_(placement.num_logical_experts()),
      slots_per_rank_(placement.num_slots() / num_ranks),
      experts_(placement.physical_to_logical_map().begin(),
               placement.physical_to_logical_map().end()),
      rank_loads_(static_cast<size_t>(placement.num_layers()) * num_ranks),
      replica_loads_(num_experts_),
      step_rank_loads_(num_ranks) {
  shares_.reserve(static_cast<size_t>(placement.num_layers()) * num_experts_);
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int expert = 0; expert < num_experts_; ++expert) {
      shares_.push_back(1.0 / placement.num_replicas(layer, expert));
    }
  }
}

double PlacementReplay::Step(absl::Span<const int64_t> loads) {
  double sum = 0;
  int layers_with_load = 0;
  const int32_t* expert_of_slot = experts_.data();
  double* sum_of_rank = rank_loads_.data();
  for (size_t layer = 0; layer < loads.size(); layer += num_experts_) {
    for (int expert = 0; expert < num_experts_; ++expert) {
      replica_loads_[expert] =
          static_cast<double>(loads[layer + expert]) * shares_[layer + expert];
    }
    for (double& rank_load : step_rank_loads_) {
      rank_load = 0;
      for (int i = 0; i < slots_per_rank_; ++i) {
        rank_load += replica_loads_[*expert_of_slot++];
      }
      *sum_of_rank++ += rank_load;
    }
    const double balancedness = Balancedness(step_rank_loads_);
    sum += balancedness;
    layers_with_load += balancedness > 0;
  }
  return layers_with_load == 0 ? 0 : sum / layers_with_load;
}

}  // namespace eplb
