// LayerPlanner: places one layer at a time on the active ranks; what the
// built-in policies are made of.
//
// A policy makes one planner per thread. The ranks a planner sees are only the
// active ones, in the order that `ActiveGrid` gives them.

#ifndef EPLB_POLICIES_LAYER_PLANNER_H_
#define EPLB_POLICIES_LAYER_PLANNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policies/placement_policy.h"

namespace eplb {

// Thread-compatible. Keeps memory from layer to layer, but nothing of a layer.
class LayerPlanner {
 public:
  virtual ~LayerPlanner() = default;

  // Fills `experts`, the expert of each slot, rank by rank, from the loads of
  // the layer's experts. `current` is what the slots hold now, empty without a
  // current placement; an expert may be missing from it.
  virtual void PlanLayer(absl::Span<const int64_t> loads,
                         absl::Span<const int32_t> current,
                         absl::Span<int32_t> experts) = 0;
};

// The active ranks, node by node, and within a node rising: the order in which
// planners see them.
std::vector<int> ActiveRanksByNode(const Topology& topology);

// Runs a planner over all layers of `request` on request.num_threads threads,
// each with a planner of its own, and returns the expert of each slot, [layers,
// slots] row-major, with empty slots on inactive ranks. ResourceExhausted where
// a planner or a thread finds no memory.
absl::StatusOr<std::vector<int32_t>> PlanLayers(
    const PlacementRequest& request,
    const std::function<std::unique_ptr<LayerPlanner>()>& make_planner);

}  // namespace eplb

#endif  // EPLB_POLICIES_LAYER_PLANNER_H_
