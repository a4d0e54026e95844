// Simulate: what a policy would have made of recorded loads.
//
//   EPLB_ASSIGN_OR_RETURN(
//       Simulation simulation,
//       Simulate(trace, {.policy = policy,
//                        .num_ranks = 32,
//                        .num_redundant_experts = 32}));
//   simulation.mean_balancedness();          // 0.93
//   simulation.mean_balancedness_without();  // 0.41
//
// The trace is replayed as a live balancer would see it. Serving begins with
// Placement::Initial. The first rearrangement comes after a quarter of the
// interval, further ones an interval apart; each plans from the sum of the
// steps in the window before it, and from the placement in force. Steps are
// scored from the first rearrangement on, each by the placement that was made
// before it, and by the initial one: what the same slots do without balancing.

#ifndef EPLB_TOOLS_SIMULATION_SIMULATION_H_
#define EPLB_TOOLS_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/placement.h"
#include "eplb/load/recorded_loads.h"
#include "policies/placement_policy.h"

namespace eplb {

struct SimulationOptions {
  // Borrowed for the call.
  const PlacementPolicy* policy = nullptr;
  int num_ranks = 1;
  int num_nodes = 1;
  int num_groups = 1;
  int num_redundant_experts = 0;
  // Steps between rearrangements, and steps that each plans from.
  int64_t interval = 100;
  int64_t window = 100;
  int max_moves_per_layer = PlacementRequest().max_moves_per_layer;
  double target_balancedness = PlacementRequest().target_balancedness;

  // Steps before the first rearrangement.
  int64_t first_rearrangement() const {
    return interval / 4 > 0 ? interval / 4 : 1;
  }
};

struct SimulatedRearrangement {
  // The first step that the placement serves.
  int64_t step = 0;
  int64_t moved_slots = 0;
  // Of the policy alone.
  double plan_seconds = 0;
};

struct Simulation {
  // At least one; the first step that is scored is that of the first.
  std::vector<SimulatedRearrangement> rearrangements;

  // Of each scored step: mean over largest rank load, averaged over the layers
  // that had tokens; 0 when none had.
  std::vector<double> balancedness;
  std::vector<double> balancedness_without;

  // Summed over the scored steps, [layers, ranks] row-major.
  std::vector<double> rank_loads;
  std::vector<double> rank_loads_without;
  // The same of the logical experts, [layers, experts].
  std::vector<int64_t> expert_loads;

  // Never empty: the last one that was made.
  std::optional<Placement> placement;
  // Sentences for people, none twice.
  std::vector<std::string> warnings;

  int64_t moved_slots() const;
  // Over the steps that had tokens; 1 when none had, as nothing waits then.
  double mean_balancedness() const;
  double worst_balancedness() const;
  double mean_balancedness_without() const;
  // Per rearrangement.
  double mean_moved_slots() const;
  double mean_plan_seconds() const;
};

// Called with the steps that were just replayed.
using SimulationProgress = std::function<void(int64_t steps)>;

// InvalidArgument when no step is left to score, ranks or slots do not divide,
// or the loads of all steps add up to more than ExpertLoads::kMaxLoad; else
// what the policy says. All but the planning times is the same each time.
absl::StatusOr<Simulation> Simulate(const RecordedLoads& trace,
                                    const SimulationOptions& options,
                                    const SimulationProgress& progress = {});

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_SIMULATION_H_
