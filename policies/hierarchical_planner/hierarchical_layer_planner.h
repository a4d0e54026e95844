#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_LAYER_PLANNER_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_LAYER_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/balanced_packing.h"
#include "policies/hierarchical_planner/falling_replica_order.h"
#include "policies/hierarchical_planner/replicate_experts.h"
#include "policies/layer_planner.h"
#include "policies/load_order/avx512.h"
#include "policies/load_order/falling_load_order.h"

namespace eplb {

// The sizes of one layer's placement. Requires num_experts % num_groups == 0,
// num_groups % num_nodes == 0 and at least one slot per expert.
struct LayerGrid {
  int num_experts = 1;
  int num_groups = 1;
  int num_nodes = 1;
  int ranks_per_node = 1;
  int slots_per_rank = 1;

  int num_slots() const { return num_nodes * ranks_per_node * slots_per_rank; }
};

// Plans one layer by the published hierarchical algorithm: expert groups are
// packed on nodes, redundant experts are made inside each node, and replicas
// are packed on the node's ranks. With one group and one node this is the
// greedy policy.
//
//   HierarchicalLayerPlanner planner({.num_experts = 256, .ranks_per_node = 32,
//                                     .slots_per_rank = 9});
//   for (each layer) planner.PlanLayer(loads, {}, experts);
//
// A plan depends on the loads alone, to the bit, on every machine. The planner
// keeps its scratch memory from layer to layer. Thread-compatible: use one
// planner per thread.
class HierarchicalLayerPlanner final : public LayerPlanner {
 public:
  // `use_avx512` changes nothing but the speed; true requires CpuHasAvx512().
  explicit HierarchicalLayerPlanner(const LayerGrid& grid,
                                    bool use_avx512 = CpuHasAvx512());

  // Writes the logical expert of each slot, rank by rank. `loads` has
  // num_experts entries in [0, 2^53], `experts` num_slots(). What the slots
  // hold now does not matter.
  void PlanLayer(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> current,
                 absl::Span<int32_t> experts) override;

 private:
  // Fills node_experts_ with the experts of each node in turn.
  void PackGroupsOnNodes(absl::Span<const int64_t> loads);
  // Plans the slots of a node; experts are numbered within the node.
  void PlanNode(absl::Span<const int64_t> loads, absl::Span<int32_t> slots);

  LayerGrid grid_;
  std::vector<int32_t> node_experts_;
  std::vector<int64_t> node_loads_;

  std::vector<int64_t> group_loads_;
  std::vector<int32_t> groups_by_load_;
  std::vector<double> falling_weights_;
  std::vector<int32_t> places_;

  FallingLoadOrder falling_load_order_;
  ExpertReplicator replicator_;
  FallingReplicaOrder falling_replica_order_;
  BalancedPacker packer_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_LAYER_PLANNER_H_
