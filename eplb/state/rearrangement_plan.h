// PlanRearrangement: what a policy makes of a model's loads, and whether it is
// worth moving for. No communication, and the same on every rank.

#ifndef EPLB_STATE_REARRANGEMENT_PLAN_H_
#define EPLB_STATE_REARRANGEMENT_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/state/eplb_config.h"
#include "policies/placement_policy.h"

namespace eplb {

struct RearrangementPlan {
  // The placement to move to; none when the plan is skipped.
  std::optional<Placement> next;
  // Then why.
  std::string skip_reason;
  // Of the loads under the placement in force, and under the next one: per
  // layer mean over maximum of the rank loads, averaged over layers with load.
  double balancedness_before = 0;
  double balancedness_planned = 0;
  // Slots whose expert was not on that rank before, in all layers.
  int64_t moved_slots = 0;
  int64_t moved_bytes = 0;
  // What the plan took, where its caller has measured that.
  double seconds = 0;
  // Of the policy, for people.
  std::vector<std::string> warnings;
};

struct PlanOptions {
  // A plan is carried out whatever it promises: the group changes. The same
  // goes where slots are empty, since ranks have joined.
  bool is_forced = false;
};

// `bytes_per_expert(layer)` is what an expert of a layer weighs.
absl::StatusOr<RearrangementPlan> PlanRearrangement(
    const PlacementPolicy& policy, const EplbConfig& config,
    const ModelShape& shape, const ExpertLoads& loads, const Topology& topology,
    const Placement& current,
    absl::FunctionRef<int64_t(int layer)> bytes_per_expert,
    const PlanOptions& options);

}  // namespace eplb

#endif  // EPLB_STATE_REARRANGEMENT_PLAN_H_
