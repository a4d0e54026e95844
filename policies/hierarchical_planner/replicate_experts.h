#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICATE_EXPERTS_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICATE_EXPERTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/replica_load.h"
#include "policies/winner_tree.h"

namespace eplb {

// Gives redundant slots to experts, one after another, each to the expert with
// the largest load per replica; a tie goes to the lower index. Where nothing
// was routed each goes to the expert with the fewest replicas instead, so that
// a layer without load does not pile all its redundancy on expert 0.
// Thread-compatible.
class ExpertReplicator {
 public:
  // Every expert starts with one replica; `num_redundant` are added. Loads are
  // in [0, 2^53]; `experts_by_load` are the experts by falling load.
  void Replicate(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> experts_by_load, int num_redundant);

  // The expert of each redundant slot, in the order they were given.
  absl::Span<const int32_t> redundant_experts() const {
    return redundant_experts_;
  }
  // The number of replicas of each expert.
  absl::Span<const int32_t> replica_counts() const { return replica_counts_; }

 private:
  void FindCandidates(absl::Span<const int64_t> loads, int64_t least_load);
  template <typename ReplicaLoad>
  void GiveToMostLoaded(absl::Span<const int64_t> loads,
                        WinnerTree<typename ReplicaLoad::Key>& tree);
  void GiveInTurn();

  std::vector<int32_t> candidates_;  // by index
  std::vector<int32_t> redundant_experts_;
  std::vector<int32_t> replica_counts_;
  WinnerTree<DoubleReplicaLoad::Key> double_tree_;
  WinnerTree<ExactReplicaLoad::Key> exact_tree_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICATE_EXPERTS_H_
