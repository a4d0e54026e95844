// Scores placements: how even they make given loads, and at what cost.

#ifndef EPLB_POLICIES_PLACEMENT_SCORE_H_
#define EPLB_POLICIES_PLACEMENT_SCORE_H_

#include <vector>

#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

// One layer of a placement.
struct LayerScore {
  // Mean rank load / max rank load over the active ranks, when every replica
  // carries an equal share of its expert's load. 1 for a layer without load.
  double balancedness = 1;
  // The highest balancedness that any placement of as many slots could reach.
  double bound = 1;
  // Slots whose expert was not on that rank before.
  int moved_slots = 0;
  // Slots that hold an expert which another slot of the rank holds already.
  int duplicate_slots = 0;
};

// The score of every layer. `current`, when given, is what moved_slots are
// counted from. Slots divide by the ranks; sizes agree.
std::vector<LayerScore> ScorePlacement(const ExpertLoads& loads,
                                       const Topology& topology,
                                       const Placement& placement,
                                       const Placement* current);

}  // namespace eplb

#endif  // EPLB_POLICIES_PLACEMENT_SCORE_H_
