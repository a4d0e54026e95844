// PlacementPolicy: decides how many replicas each expert gets and where.
//
//   PolicyRegistry registry;
//   EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(registry));
//   EPLB_ASSIGN_OR_RETURN(const PlacementPolicy* policy,
//                         registry.Find("hierarchical"));
//   EPLB_ASSIGN_OR_RETURN(PlacementResult result,
//                         policy->Place({.shape = shape,
//                                        .loads = &loads,
//                                        .topology = &topology,
//                                        .current = &placement}));
//
// A policy of your own overrides ChoosePlacement and returns a table of
// experts; Place does what every policy owes its callers.

#ifndef EPLB_POLICIES_PLACEMENT_POLICY_H_
#define EPLB_POLICIES_PLACEMENT_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "policies/placement_score.h"

namespace eplb {

// What to place. The pointers are borrowed for the call.
struct PlacementRequest {
  ModelShape shape;
  const ExpertLoads* loads = nullptr;
  const Topology* topology = nullptr;
  // The placement in force, when there is one.
  const Placement* current = nullptr;

  // A layer for which the plan moves more slots than this keeps its current
  // placement; `incremental` plans within it. 0 for no limit.
  int max_moves_per_layer = 0;
  // What `incremental` aims at; others do their best regardless.
  double target_balancedness = 0.97;
  // Threads that share the layers. The result does not depend on it.
  int num_threads = 1;

  // InvalidArgument, naming what does not fit, or ResourceExhausted when the
  // active ranks have fewer slots than there are experts.
  absl::Status Validate() const;

  int slots_per_rank() const {
    return shape.num_physical_experts() / topology->num_ranks();
  }
};

struct PlacementResult {
  Placement placement;
  // One score per layer, as predicted by the loads of the request.
  std::vector<LayerScore> layers;
  // Sentences for people, when the request was served in a way its sender may
  // not expect.
  std::vector<std::string> warnings;

  double mean_balancedness() const;
  double worst_balancedness() const;
  int64_t moved_slots() const;
};

// Implementations keep no state that a call changes: thread-safe.
class PlacementPolicy {
 public:
  virtual ~PlacementPolicy() = default;

  // Checks `request`, chooses a placement, checks it too, gives experts that
  // stay on their rank the slot they had, enforces max_moves_per_layer, and
  // scores every layer. The same request gives the same bits on every rank.
  absl::StatusOr<PlacementResult> Place(const PlacementRequest& request) const;

 private:
  // Returns the expert of each slot, [layers, slots] row-major: every expert
  // somewhere, and Placement::kEmptySlot in the slots of inactive ranks.
  // `request` is valid. May add to `warnings`.
  virtual absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const = 0;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_PLACEMENT_POLICY_H_
