#include "policies/refined_planner/replica_list.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/refined_planner/layer_experts.h"

namespace eplb {
namespace {

bool Hotter(const ReplicaRun& a, const ReplicaRun& b) {
  return a.load != b.load ? a.load > b.load : a.expert < b.expert;
}

}  // namespace

void ReplicaList::Assign(const LayerExperts& experts,
                         absl::Span<const int32_t> counts) {
  // Experts without siblings are in order already: only the few others need
  // sorting, and then a merge.
  replicated_.clear();
  size_t num_replicas = 0;
  for (const int32_t expert : experts.by_falling_load()) {
    const int32_t count = counts[expert];
    num_replicas += static_cast<size_t>(count);
    if (count > 1) {
      replicated_.push_back({experts.load(expert) / count, expert, count});
    }
  }
  std::sort(replicated_.begin(), replicated_.end(), Hotter);
  replicated_.push_back({-1.0, 0, 0});  // colder than everything: no end check

  runs_.resize(static_cast<size_t>(experts.size()));
  ReplicaRun* run = runs_.data();
  const ReplicaRun* next = replicated_.data();
  for (const int32_t expert : experts.by_falling_load()) {
    if (counts[expert] > 1) continue;
    const ReplicaRun single = {experts.load(expert), expert, 1};
    while (Hotter(*next, single)) *run++ = *next++;
    *run++ = single;
  }
  while (next->count > 0) *run++ = *next++;

  load_.resize(num_replicas);
  expert_.resize(num_replicas);
  has_siblings_.resize(num_replicas);
  size_t replica = 0;
  for (const ReplicaRun& each : runs_) {
    for (int32_t i = 0; i < each.count; ++i, ++replica) {
      load_[replica] = each.load;
      expert_[replica] = each.expert;
      has_siblings_[replica] = each.count > 1 ? 1 : 0;
    }
  }
}

}  // namespace eplb
