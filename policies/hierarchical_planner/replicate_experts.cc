#include "policies/hierarchical_planner/replicate_experts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/replica_load.h"
#include "policies/winner_tree.h"

namespace eplb {

void ExpertReplicator::Replicate(absl::Span<const int64_t> loads,
                                 absl::Span<const int32_t> experts_by_load,
                                 int num_redundant) {
  replica_counts_.assign(loads.size(), 1);
  redundant_experts_.resize(num_redundant);
  if (num_redundant == 0) return;
  const int64_t max_load = loads[experts_by_load.front()];
  if (max_load == 0) {
    GiveInTurn();
    return;
  }
  // An expert with one replica is chosen only after all of larger load, so no
  // more than the num_redundant largest are ever chosen.
  const size_t num_chosen = std::min<size_t>(num_redundant, loads.size());
  FindCandidates(loads, loads[experts_by_load[num_chosen - 1]]);
  if (DoublesOrderReplicaLoads(max_load, num_redundant + 1)) {
    GiveToMostLoaded<DoubleReplicaLoad>(loads, double_tree_);
  } else {
    GiveToMostLoaded<ExactReplicaLoad>(loads, exact_tree_);
  }
}

void ExpertReplicator::FindCandidates(absl::Span<const int64_t> loads,
                                      int64_t least_load) {
  candidates_.resize(loads.size() + 1);
  // Without a branch on the load, which could not be predicted.
  size_t num_candidates = 0;
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    candidates_[num_candidates] = static_cast<int32_t>(expert);
    num_candidates += loads[expert] >= least_load;
  }
  candidates_.resize(num_candidates);
}

template <typename ReplicaLoad>
void ExpertReplicator::GiveToMostLoaded(
    absl::Span<const int64_t> loads,
    WinnerTree<typename ReplicaLoad::Key>& tree) {
  // The smallest key wins the tree: counted down from kOut, the largest load.
  const auto key_of = [&](int32_t expert) {
    return tree.kOut -
           ReplicaLoad::KeyOf(loads[expert], replica_counts_[expert]);
  };
  tree.Reserve(loads.size());
  tree.Reset(candidates_.size());
  for (size_t i = 0; i < candidates_.size(); ++i) {
    tree.SetKey(i, key_of(candidates_[i]));
  }
  tree.PlayAll();
  for (int32_t& redundant_expert : redundant_experts_) {
    redundant_expert = candidates_[tree.winner()];
    ++replica_counts_[redundant_expert];
    tree.Replay(tree.winner(), key_of(redundant_expert));
  }
}

void ExpertReplicator::GiveInTurn() {
  size_t expert = 0;
  for (int32_t& redundant_expert : redundant_experts_) {
    redundant_expert = static_cast<int32_t>(expert);
    ++replica_counts_[expert];
    expert = expert + 1 == replica_counts_.size() ? 0 : expert + 1;
  }
}

}  // namespace eplb
