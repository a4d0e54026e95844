#include "policies/hierarchical.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "policies/hierarchical_planner/hierarchical_layer_planner.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"

namespace eplb {
namespace {

// The nodes that have active ranks, when each has as many; else 1.
int PlannableNodes(const Topology& topology,
                   std::vector<std::string>& warnings) {
  std::vector<int> ranks_of_node(topology.num_nodes(), 0);
  for (const int rank : topology.active_ranks()) {
    ++ranks_of_node[topology.node_of_rank(rank)];
  }
  ranks_of_node.erase(
      std::remove(ranks_of_node.begin(), ranks_of_node.end(), 0),
      ranks_of_node.end());
  const auto [fewest, most] =
      std::minmax_element(ranks_of_node.begin(), ranks_of_node.end());
  if (*fewest == *most) return static_cast<int>(ranks_of_node.size());
  warnings.push_back(
      absl::StrCat("nodes have from ", *fewest, " to ", *most,
                   " active ranks; planned as if all were on one node"));
  return 1;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> HierarchicalPolicy::ChoosePlacement(
    const PlacementRequest& request, std::vector<std::string>& warnings) const {
  const int num_ranks = request.topology->num_active_ranks();
  LayerGrid grid{
      .num_experts = request.shape.num_logical_experts,
      .num_groups = request.shape.num_expert_groups,
      .num_nodes = 1,
      .slots_per_rank = request.slots_per_rank(),
  };
  // One group cannot be kept on a node, so nodes do not matter.
  if (grid.num_groups > 1) {
    grid.num_nodes = PlannableNodes(*request.topology, warnings);
  }
  if (grid.num_groups % grid.num_nodes != 0) {
    grid.num_groups = 1;
    grid.num_nodes = 1;
  }
  grid.ranks_per_node = num_ranks / grid.num_nodes;
  return PlanLayers(request, [&] {
    return std::make_unique<HierarchicalLayerPlanner>(grid);
  });
}

}  // namespace eplb
