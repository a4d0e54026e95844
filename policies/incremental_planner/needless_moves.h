#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_NEEDLESS_MOVES_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_NEEDLESS_MOVES_H_

#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/replacement_relief.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// Takes back moves without which no rank exceeds the penalty's limit either,
// those first that save most.
void UndoNeedlessMoves(const RankOverloadPenalty& penalty,
                       ReplacementRelief& exact, WorkingPlacement& placement);

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_NEEDLESS_MOVES_H_
