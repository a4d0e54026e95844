#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_RELIEF_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_RELIEF_H_

#include <cstdint>
#include <vector>

#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// Works out exactly what a change of replica counts does to the loads of all
// ranks that hold one of its experts.
//
// Thread-compatible. Keeps its memory between calls.
class ReplacementRelief {
 public:
  explicit ReplacementRelief(int num_ranks);

  // The penalty removed by putting a replica of `expert` into `slot`;
  // negative when that adds some.
  double OfReplace(const WorkingPlacement& placement,
                   const RankOverloadPenalty& penalty, int slot, int expert);
  // The same where the expert of `slot` moves to slot `target`, in the place
  // of a replica there.
  double OfShift(const WorkingPlacement& placement,
                 const RankOverloadPenalty& penalty, int slot, int expert,
                 int target);

  // The largest load that the change asked about last gives any rank.
  double largest_touched_load() const { return largest_touched_load_; }

 private:
  void Begin();
  void Touch(int rank, double change);
  void TouchAll(const WorkingPlacement& placement, int expert, int except,
                double change);
  double Sum(const WorkingPlacement& placement,
             const RankOverloadPenalty& penalty);

  std::vector<int32_t> touched_;  // ranks
  // Per rank: how its load changes, and the question that was last set for.
  std::vector<double> change_;
  std::vector<uint64_t> question_of_;
  uint64_t question_ = 0;
  double largest_touched_load_ = 0.0;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_RELIEF_H_
