#include "policies/refined.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"
#include "policies/refined_planner/refined_layer_planner.h"

namespace eplb {

absl::StatusOr<std::vector<int32_t>> RefinedPolicy::ChoosePlacement(
    const PlacementRequest& request, std::vector<std::string>&) const {
  return PlanLayers(request, [&] {
    return std::make_unique<RefinedLayerPlanner>(
        request.shape.num_logical_experts, request.topology->num_active_ranks(),
        request.slots_per_rank(), RefinedOptions());
  });
}

}  // namespace eplb
