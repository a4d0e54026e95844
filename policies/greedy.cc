#include "policies/greedy.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/hierarchical_planner/hierarchical_layer_planner.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"

namespace eplb {

absl::StatusOr<std::vector<int32_t>> GreedyPolicy::ChoosePlacement(
    const PlacementRequest& request, std::vector<std::string>&) const {
  const LayerGrid grid{
      .num_experts = request.shape.num_logical_experts,
      .ranks_per_node = request.topology->num_active_ranks(),
      .slots_per_rank = request.slots_per_rank(),
  };
  return PlanLayers(request, [&] {
    return std::make_unique<HierarchicalLayerPlanner>(grid);
  });
}

}  // namespace eplb
