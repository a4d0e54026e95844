#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_FALLING_REPLICA_ORDER_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_FALLING_REPLICA_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/replica_load.h"

namespace eplb {

// Lists the replicas of a layer by falling load per replica. A tie goes to the
// replica that was made first: the first replicas of all experts by index, then
// the redundant ones in the order they were given. Thread-compatible.
//
// Nothing is sorted anew: only the experts of largest load ever get a second
// replica, so the replicas of these few are put in order and merged with the
// other experts, which are in order already.
class FallingReplicaOrder {
 public:
  // `experts_by_load` are the experts by falling load (a tie to the lower
  // index); the other arguments are those of an ExpertReplicator.
  void Compute(absl::Span<const int64_t> loads,
               absl::Span<const int32_t> experts_by_load,
               absl::Span<const int32_t> replica_counts,
               absl::Span<const int32_t> redundant_experts);

  // The expert of each replica, and load / count, in falling order.
  absl::Span<const int32_t> experts() const { return experts_; }
  absl::Span<const double> weights() const { return weights_; }

 private:
  // One replica; `Key` orders load / count exactly (see replica_load.h).
  template <typename Key>
  struct Replica {
    Key key;
    double weight;     // load / count
    int32_t position;  // when it was made, among all replicas
    int32_t expert;
  };
  template <typename Key>
  struct Scratch {
    std::vector<Replica<Key>> first_replicas;  // of the replicated experts
    std::vector<Replica<Key>> replicas;        // all of these experts
  };

  template <typename ReplicaLoad, typename Key = typename ReplicaLoad::Key>
  void Merge(absl::Span<const int64_t> loads,
             absl::Span<const int32_t> experts_by_load,
             absl::Span<const int32_t> replica_counts,
             absl::Span<const int32_t> redundant_experts,
             Scratch<Key>& scratch);
  template <typename Key>
  void ListReplicas(absl::Span<const int32_t> replica_counts,
                    absl::Span<const int32_t> redundant_experts,
                    Scratch<Key>& scratch);

  Scratch<DoubleReplicaLoad::Key> double_scratch_;
  Scratch<ExactReplicaLoad::Key> exact_scratch_;
  // Where in Scratch::replicas the next redundant replica of a run of equally
  // loaded ones goes, and the run of each replicated expert.
  std::vector<int32_t> next_of_run_;
  std::vector<int32_t> run_of_expert_;
  std::vector<int32_t> experts_;
  std::vector<double> weights_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_FALLING_REPLICA_ORDER_H_
