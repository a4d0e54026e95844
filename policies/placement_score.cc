#include "policies/placement_score.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "policies/balancedness_bound.h"
#include "policies/slot_retention.h"

namespace eplb {
namespace {

// Scores the layers of one placement one after another, in the same memory.
class Scorer {
 public:
  Scorer(const ExpertLoads& loads, const Topology& topology,
         const Placement& placement)
      : loads_(loads),
        topology_(topology),
        placement_(placement),
        slots_per_rank_(placement.num_slots() / topology.num_ranks()),
        replica_loads_(loads.num_logical_experts()),
        last_rank_(loads.num_logical_experts()) {}

  LayerScore ScoreLayer(int layer, const Placement* current) {
    LayerScore score;
    const int active_slots = topology_.num_active_ranks() * slots_per_rank_;
    score.bound = BalancednessBound(loads_.layer(layer), active_slots,
                                    topology_.num_active_ranks());
    SpreadLoads(layer);
    double max_rank_load = 0;
    std::fill(last_rank_.begin(), last_rank_.end(), -1);
    for (const int rank : topology_.active_ranks()) {
      max_rank_load =
          std::max(max_rank_load, AddRank(layer, rank, score.duplicate_slots));
    }
    if (max_rank_load > 0) {
      const double mean = static_cast<double>(loads_.layer_total(layer)) /
                          topology_.num_active_ranks();
      // Shares of a rounded total may add up to less than the total.
      score.balancedness = std::min(mean / max_rank_load, score.bound);
    }
    if (current != nullptr) {
      score.moved_slots =
          CountMovedSlots(current->experts_of_slots(layer),
                          placement_.experts_of_slots(layer), slots_per_rank_);
    }
    return score;
  }

 private:
  void SpreadLoads(int layer) {
    const absl::Span<const int64_t> loads = loads_.layer(layer);
    for (int expert = 0; expert < loads_.num_logical_experts(); ++expert) {
      replica_loads_[expert] =
          static_cast<double>(loads[expert]) /
          static_cast<double>(placement_.num_replicas(layer, expert));
    }
  }

  // The load of `rank`; counts its duplicates.
  double AddRank(int layer, int rank, int& duplicates) {
    const absl::Span<const int32_t> experts =
        placement_.experts_of_slots(layer).subspan(
            static_cast<size_t>(rank) * slots_per_rank_, slots_per_rank_);
    double load = 0;
    for (const int32_t expert : experts) {
      if (expert == Placement::kEmptySlot) continue;
      load += replica_loads_[expert];
      duplicates += last_rank_[expert] == rank;
      last_rank_[expert] = rank;
    }
    return load;
  }

  const ExpertLoads& loads_;
  const Topology& topology_;
  const Placement& placement_;
  const int slots_per_rank_;
  std::vector<double> replica_loads_;
  // The last rank that was seen to hold each expert.
  std::vector<int32_t> last_rank_;
};

}  // namespace

std::vector<LayerScore> ScorePlacement(const ExpertLoads& loads,
                                       const Topology& topology,
                                       const Placement& placement,
                                       const Placement* current) {
  Scorer scorer(loads, topology, placement);
  std::vector<LayerScore> scores(placement.num_layers());
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    scores[layer] = scorer.ScoreLayer(layer, current);
  }
  return scores;
}

}  // namespace eplb
