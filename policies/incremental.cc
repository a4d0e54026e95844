#include "policies/incremental.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/incremental_planner/incremental_layer_planner.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"
#include "policies/refined_planner/refined_layer_planner.h"

namespace eplb {

absl::StatusOr<std::vector<int32_t>> IncrementalPolicy::ChoosePlacement(
    const PlacementRequest& request, std::vector<std::string>&) const {
  const int num_ranks = request.topology->num_active_ranks();
  return PlanLayers(request, [&]() -> std::unique_ptr<LayerPlanner> {
    if (request.current == nullptr) {
      return std::make_unique<RefinedLayerPlanner>(
          request.shape.num_logical_experts, num_ranks,
          request.slots_per_rank(), RefinedOptions());
    }
    return std::make_unique<IncrementalLayerPlanner>(
        request.shape.num_logical_experts, num_ranks, request.slots_per_rank(),
        IncrementalOptions{.target_balancedness = request.target_balancedness,
                           .max_moves = request.max_moves_per_layer});
  });
}

}  // namespace eplb
