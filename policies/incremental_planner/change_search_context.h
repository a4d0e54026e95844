#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_CHANGE_SEARCH_CONTEXT_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_CHANGE_SEARCH_CONTEXT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// What the searches for the next change share while the placement stands
// still. They offer what they find to `selector` and prune by its best.
struct ChangeSearchContext {
  const WorkingPlacement& placement;
  const RankOverloadPenalty& penalty;
  absl::Span<const int32_t> ranks;          // by falling load
  absl::Span<const double> rank_penalties;  // by rank
  // The first ranks of `ranks`, those above the limit that are to be relieved.
  int num_overloaded;
  PlacementChangeSelector& selector;
  // Candidates looked at: the measure of work.
  int64_t evaluations = 0;

  int num_ranks() const { return static_cast<int>(ranks.size()); }
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_CHANGE_SEARCH_CONTEXT_H_
