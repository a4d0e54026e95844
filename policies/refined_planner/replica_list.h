// The replicas of a layer, from the hottest to the coldest.

#ifndef EPLB_POLICIES_REFINED_PLANNER_REPLICA_LIST_H_
#define EPLB_POLICIES_REFINED_PLANNER_REPLICA_LIST_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/refined_planner/layer_experts.h"

namespace eplb {

// The replicas of one expert: equal loads, so they are neighbours in the list.
struct ReplicaRun {
  double load;  // of each replica
  int32_t expert;
  int32_t count;
};

// Thread-compatible. Keeps its memory from one layer to the next.
class ReplicaList {
 public:
  // Lists the replicas that `counts` makes of `experts`: by falling load, ties
  // by rising expert.
  void Assign(const LayerExperts& experts, absl::Span<const int32_t> counts);

  absl::Span<const ReplicaRun> runs() const { return runs_; }

  absl::Span<const double> loads() const { return load_; }

  int size() const { return static_cast<int>(load_.size()); }
  double load(int replica) const { return load_[replica]; }
  int32_t expert(int replica) const { return expert_[replica]; }
  // Whether the expert of `replica` has others.
  bool has_siblings(int replica) const { return has_siblings_[replica] != 0; }

 private:
  std::vector<ReplicaRun> replicated_;
  std::vector<ReplicaRun> runs_;
  std::vector<double> load_;
  std::vector<int32_t> expert_;
  std::vector<uint8_t> has_siblings_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_REPLICA_LIST_H_
