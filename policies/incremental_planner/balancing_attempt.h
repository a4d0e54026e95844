#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_BALANCING_ATTEMPT_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_BALANCING_ATTEMPT_H_

#include <cstdint>
#include <vector>

#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/placement_record.h"
#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/replacement_relief.h"
#include "policies/incremental_planner/replacement_search.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// One way from a placement to one in which no rank exceeds a limit: change by
// change, each the one that relieves overloaded ranks most per moved slot.
//
// Thread-compatible. Keeps its memory between calls.
class BalancingAttempt {
 public:
  struct Goal {
    double largest_rank_load;  // not to be exceeded by any rank
    int max_moves;
  };

  BalancingAttempt(int num_experts, int num_ranks, int slots_per_rank);

  // Changes `placement` until it meets the goal, and returns whether it does.
  // Placements met on the way that are better balanced than `best_balance` and
  // have no more than `goal.max_moves` moves are recorded there.
  bool Run(const Goal& goal, WorkingPlacement& placement,
           PlacementRecord& best_balance);

 private:
  PlacementChange FindChange(const RankOverloadPenalty& penalty, int affordable,
                             WorkingPlacement& placement);
  bool SplitByForce(const RankOverloadPenalty& penalty, int affordable,
                    WorkingPlacement& placement);
  int SlotToSplitInto(const RankOverloadPenalty& penalty, int affordable,
                      int expert, const WorkingPlacement& placement);

  ReplacementSearch replacements_;
  ReplacementRelief relief_;
  std::vector<double> rank_penalties_;
  // Candidate changes looked at in this run: the measure of work.
  int64_t evaluations_ = 0;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_BALANCING_ATTEMPT_H_
