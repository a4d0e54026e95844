#include "eplb/state/rearrangement_plan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/state/eplb_config.h"
#include "policies/placement_policy.h"
#include "policies/placement_score.h"

namespace eplb {
namespace {

// Over the layers with load: the others would only dilute what is gained.
double MeanOverLoadedLayers(const ExpertLoads& loads,
                            const std::vector<LayerScore>& scores) {
  double sum = 0;
  int count = 0;
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    if (loads.layer_total(layer) == 0) continue;
    sum += scores[layer].balancedness;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

bool HasLoad(const ExpertLoads& loads) {
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    if (loads.layer_total(layer) > 0) return true;
  }
  return false;
}

// Ranks have joined since, and hold nothing yet.
bool HasEmptySlots(const Placement& placement) {
  const auto experts = placement.physical_to_logical_map();
  return std::find(experts.begin(), experts.end(), Placement::kEmptySlot) !=
         experts.end();
}

}  // namespace

absl::StatusOr<RearrangementPlan> PlanRearrangement(
    const PlacementPolicy& policy, const EplbConfig& config,
    const ModelShape& shape, const ExpertLoads& loads, const Topology& topology,
    const Placement& current,
    absl::FunctionRef<int64_t(int layer)> bytes_per_expert,
    const PlanOptions& options) {
  RearrangementPlan plan;
  const bool is_forced = options.is_forced || HasEmptySlots(current);
  if (!is_forced && !HasLoad(loads)) {
    plan.skip_reason = "no tokens were recorded";
    return plan;
  }
  PlacementRequest request;
  request.shape = shape;
  request.loads = &loads;
  request.topology = &topology;
  request.current = &current;
  request.target_balancedness = config.target_balancedness;
  // A limit may not keep experts on ranks that leave, or off ranks that join.
  request.max_moves_per_layer = is_forced ? 0 : config.max_moves_per_layer;
  EPLB_ASSIGN_OR_RETURN(PlacementResult result, policy.Place(request));
  plan.warnings = std::move(result.warnings);
  plan.balancedness_before = MeanOverLoadedLayers(
      loads, ScorePlacement(loads, topology, current, nullptr));
  plan.balancedness_planned = MeanOverLoadedLayers(loads, result.layers);
  if (result.placement == current) {
    plan.skip_reason = "the plan changes nothing";
    return plan;
  }
  const double gain = plan.balancedness_planned - plan.balancedness_before;
  if (!is_forced && gain < config.min_balancedness_gain) {
    plan.skip_reason = absl::StrFormat(
        "the plan promises a balancedness of %.4f where there is %.4f; "
        "min_balancedness_gain asks for %.4f more",
        plan.balancedness_planned, plan.balancedness_before,
        config.min_balancedness_gain);
    return plan;
  }
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    plan.moved_slots += result.layers[layer].moved_slots;
    plan.moved_bytes +=
        result.layers[layer].moved_slots * bytes_per_expert(layer);
  }
  plan.next = std::move(result.placement);
  return plan;
}

}  // namespace eplb
