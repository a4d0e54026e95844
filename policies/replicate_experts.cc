#include "policies/replicate_experts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/replica_load.h"
#include "policies/winner_tree.h"

namespace eplb {

void ExpertReplicator::Replicate(absl::Span<const int64_t> loads,
                                 int num_redundant) {
  replica_counts_.assign(loads.size(), 1);
  redundant_experts_.resize(num_redundant);
  if (num_redundant == 0) return;
  const int64_t max_load = *std::max_element(loads.begin(), loads.end());
  if (max_load == 0) {
    GiveInTurn();
  } else if (DoublesOrderReplicaLoads(max_load, num_redundant + 1)) {
    GiveRedundantSlots<DoubleReplicaLoad>(loads, double_tree_);
  } else {
    GiveRedundantSlots<ExactReplicaLoad>(loads, exact_tree_);
  }
}

template <typename ReplicaLoad>
void ExpertReplicator::GiveRedundantSlots(
    absl::Span<const int64_t> loads,
    WinnerTree<typename ReplicaLoad::Key>& tree) {
  // The smallest key wins the tree: counted down from kOut, the largest load.
  tree.Reset(loads.size());
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    tree.SetKey(expert, tree.kOut - ReplicaLoad::KeyOf(loads[expert], 1));
  }
  tree.PlayAll();
  for (int32_t& redundant_expert : redundant_experts_) {
    const int32_t expert = tree.winner();
    redundant_expert = expert;
    const int32_t count = ++replica_counts_[expert];
    tree.Replay(expert, tree.kOut - ReplicaLoad::KeyOf(loads[expert], count));
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
