#include "policies/hierarchical_planner/falling_replica_order.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/replica_load.h"

namespace eplb {

void FallingReplicaOrder::Compute(absl::Span<const int64_t> loads,
                                  absl::Span<const int32_t> experts_by_load,
                                  absl::Span<const int32_t> replica_counts,
                                  absl::Span<const int32_t> redundant_experts) {
  const int64_t max_load = loads[experts_by_load.front()];
  const int64_t max_count = redundant_experts.size() + 1;
  if (DoublesOrderReplicaLoads(max_load, max_count)) {
    Merge<DoubleReplicaLoad>(loads, experts_by_load, replica_counts,
                             redundant_experts, double_scratch_);
  } else {
    Merge<ExactReplicaLoad>(loads, experts_by_load, replica_counts,
                            redundant_experts, exact_scratch_);
  }
}

template <typename ReplicaLoad, typename Key>
void FallingReplicaOrder::Merge(absl::Span<const int64_t> loads,
                                absl::Span<const int32_t> experts_by_load,
                                absl::Span<const int32_t> replica_counts,
                                absl::Span<const int32_t> redundant_experts,
                                Scratch<Key>& scratch) {
  // Once, for every layer of this size.
  scratch.first_replicas.reserve(experts_by_load.size());
  scratch.replicas.reserve(experts_by_load.size() + redundant_experts.size());
  next_of_run_.reserve(experts_by_load.size());
  auto rest = experts_by_load.begin();
  scratch.first_replicas.clear();
  for (; rest != experts_by_load.end() && replica_counts[*rest] > 1; ++rest) {
    const int32_t count = replica_counts[*rest];
    scratch.first_replicas.push_back(
        {ReplicaLoad::KeyOf(loads[*rest], count),
         static_cast<double>(loads[*rest]) / static_cast<double>(count), *rest,
         *rest});
  }
  std::sort(scratch.first_replicas.begin(), scratch.first_replicas.end(),
            [](const Replica<Key>& a, const Replica<Key>& b) {
              return a.key != b.key ? a.key > b.key : a.position < b.position;
            });
  ListReplicas(replica_counts, redundant_experts, scratch);

  experts_.resize(experts_by_load.size() + redundant_experts.size());
  weights_.resize(experts_.size());
  size_t place = 0;
  const auto append = [&](int32_t expert, double weight) {
    experts_[place] = expert;
    weights_[place++] = weight;
  };
  for (const Replica<Key>& replica : scratch.replicas) {
    for (; rest != experts_by_load.end(); ++rest) {
      const Key key = ReplicaLoad::KeyOf(loads[*rest], 1);
      if (key < replica.key) break;
      if (key == replica.key && *rest > replica.position) break;
      append(*rest, static_cast<double>(loads[*rest]));
    }
    append(replica.expert, replica.weight);
  }
  for (; rest != experts_by_load.end(); ++rest) {
    append(*rest, static_cast<double>(loads[*rest]));
  }
}

// Lists all replicas of the replicated experts. Those of one expert form a run;
// where experts have exactly the same load per replica they share a run, in
// which the redundant ones stand in the order they were given.
template <typename Key>
void FallingReplicaOrder::ListReplicas(
    absl::Span<const int32_t> replica_counts,
    absl::Span<const int32_t> redundant_experts, Scratch<Key>& scratch) {
  const auto& first_replicas = scratch.first_replicas;
  auto& replicas = scratch.replicas;
  run_of_expert_.resize(replica_counts.size());
  next_of_run_.clear();
  replicas.clear();
  for (size_t begin = 0, end; begin < first_replicas.size(); begin = end) {
    size_t num_redundant = 0;
    for (end = begin; end < first_replicas.size() &&
                      first_replicas[end].key == first_replicas[begin].key;
         ++end) {
      const int32_t expert = first_replicas[end].expert;
      replicas.push_back(first_replicas[end]);
      run_of_expert_[expert] = static_cast<int32_t>(next_of_run_.size());
      num_redundant += replica_counts[expert] - 1;
    }
    next_of_run_.push_back(static_cast<int32_t>(replicas.size()));
    // Made after every first replica; which of them it is does not matter.
    Replica<Key> redundant = first_replicas[begin];
    redundant.position = static_cast<int32_t>(replica_counts.size());
    replicas.insert(replicas.end(), num_redundant, redundant);
  }
  for (const int32_t expert : redundant_experts) {
    replicas[next_of_run_[run_of_expert_[expert]]++].expert = expert;
  }
}

}  // namespace eplb
