// PlacementReplay: what a placement makes of one step's loads after another.
//
//   PlacementReplay replay(placement, /*num_ranks=*/8);
//   replay.Step(trace.step(0));  // 0.87: the balancedness of the step

#ifndef EPLB_TOOLS_SIMULATION_PLACEMENT_REPLAY_H_
#define EPLB_TOOLS_SIMULATION_PLACEMENT_REPLAY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {

// Keeps what it needs of the placement, in the order it is read. All ranks are
// active. Thread-compatible.
class PlacementReplay {
 public:
  // The slots divide by `num_ranks`.
  PlacementReplay(const Placement& placement, int num_ranks);

  // `loads` are those of the logical experts, [layers, experts] row-major.
  // Returns mean over largest rank load, averaged over the layers with load; 0
  // when there are none. Every replica carries an equal share.
  double Step(absl::Span<const int64_t> loads);

  // Summed over the steps, [layers, ranks] row-major.
  const std::vector<double>& rank_loads() const { return rank_loads_; }

 private:
  int num_ranks_;
  int num_experts_;
  int slots_per_rank_;
  // [layers, slots]: the expert of each slot.
  std::vector<int32_t> experts_;
  // [layers, experts]: one over the number of replicas.
  std::vector<double> shares_;
  std::vector<double> rank_loads_;
  // Of one layer of the step.
  std::vector<double> replica_loads_;
  std::vector<double> step_rank_loads_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_PLACEMENT_REPLAY_H_
