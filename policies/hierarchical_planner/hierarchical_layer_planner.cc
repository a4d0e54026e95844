#include "policies/hierarchical_planner/hierarchical_layer_planner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

HierarchicalLayerPlanner::HierarchicalLayerPlanner(const LayerGrid& grid,
                                                   bool use_avx512)
    : grid_(grid),
      node_experts_(grid.num_experts),
      falling_load_order_(use_avx512),
      packer_(use_avx512) {
  std::iota(node_experts_.begin(), node_experts_.end(), 0);
}

void HierarchicalLayerPlanner::PlanLayer(absl::Span<const int64_t> loads,
                                         absl::Span<const int32_t>,
                                         absl::Span<int32_t> experts) {
  if (grid_.num_groups == 1) {
    PlanNode(loads, experts);
    return;
  }
  PackGroupsOnNodes(loads);
  const size_t experts_per_node = grid_.num_experts / grid_.num_nodes;
  const size_t slots_per_node = grid_.num_slots() / grid_.num_nodes;
  node_loads_.resize(experts_per_node);
  for (int node = 0; node < grid_.num_nodes; ++node) {
    const auto node_experts =
        absl::MakeConstSpan(node_experts_)
            .subspan(node * experts_per_node, experts_per_node);
    for (size_t i = 0; i < experts_per_node; ++i) {
      node_loads_[i] = loads[node_experts[i]];
    }
    const auto slots = experts.subspan(node * slots_per_node, slots_per_node);
    PlanNode(node_loads_, slots);
    for (int32_t& slot : slots) slot = node_experts[slot];
  }
}

void HierarchicalLayerPlanner::PackGroupsOnNodes(
    absl::Span<const int64_t> loads) {
  const int num_groups = grid_.num_groups;
  const int group_size = grid_.num_experts / num_groups;
  const int groups_per_node = num_groups / grid_.num_nodes;
  // Group g goes to node g where each node takes one, whatever the loads: the
  // published algorithm sorts only bins of several items.
  if (groups_per_node == 1) return;

  group_loads_.assign(num_groups, 0);
  for (int expert = 0; expert < grid_.num_experts; ++expert) {
    group_loads_[expert / group_size] += loads[expert];
  }
  groups_by_load_.resize(num_groups);
  std::iota(groups_by_load_.begin(), groups_by_load_.end(), 0);
  std::sort(groups_by_load_.begin(), groups_by_load_.end(),
            [this](int32_t a, int32_t b) {
              return group_loads_[a] != group_loads_[b]
                         ? group_loads_[a] > group_loads_[b]
                         : a < b;
            });
  falling_weights_.resize(num_groups);
  for (int i = 0; i < num_groups; ++i) {
    falling_weights_[i] = static_cast<double>(group_loads_[groups_by_load_[i]]);
  }
  places_.resize(num_groups);
  packer_.Pack(falling_weights_, grid_.num_nodes, groups_per_node,
               absl::MakeSpan(places_));
  for (int i = 0; i < num_groups; ++i) {
    const auto first = node_experts_.begin() + places_[i] * group_size;
    std::iota(first, first + group_size, groups_by_load_[i] * group_size);
  }
}

void HierarchicalLayerPlanner::PlanNode(absl::Span<const int64_t> loads,
                                        absl::Span<int32_t> slots) {
  const auto experts_by_load = falling_load_order_.Sort(loads);
  replicator_.Replicate(loads, experts_by_load,
                        static_cast<int>(slots.size() - loads.size()));
  // As for the groups: where a rank takes one replica none is sorted.
  if (grid_.slots_per_rank == 1) {
    std::iota(slots.begin(), slots.begin() + loads.size(), 0);
    std::copy(replicator_.redundant_experts().begin(),
              replicator_.redundant_experts().end(),
              slots.begin() + loads.size());
    return;
  }
  falling_replica_order_.Compute(loads, experts_by_load,
                                 replicator_.replica_counts(),
                                 replicator_.redundant_experts());
  places_.resize(slots.size());
  packer_.Pack(falling_replica_order_.weights(), grid_.ranks_per_node,
               grid_.slots_per_rank, absl::MakeSpan(places_));
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[places_[i]] = falling_replica_order_.experts()[i];
  }
}

}  // namespace eplb
