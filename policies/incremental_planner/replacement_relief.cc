#include "policies/incremental_planner/replacement_relief.h"

#include <algorithm>

#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

// What a replica less of one expert and one more of another add to the penalty
// of replicas.
double PenaltyOfReplicas(const WorkingPlacement& placement,
                         const RankOverloadPenalty& penalty, int shrunk,
                         int grown) {
  return penalty.OfReplicas(
             placement.load(shrunk),
             placement.weight_if_shrunk(shrunk) - placement.weight(shrunk)) -
         penalty.OfReplicas(
             placement.load(grown),
             placement.weight(grown) - placement.weight_if_grown(grown));
}

}  // namespace

ReplacementRelief::ReplacementRelief(int num_ranks)
    : change_(num_ranks), question_of_(num_ranks) {
  touched_.reserve(num_ranks);
}

double ReplacementRelief::OfReplace(const WorkingPlacement& placement,
                                    const RankOverloadPenalty& penalty,
                                    int slot, int expert) {
  Begin();
  const int removed = placement.expert_of(slot);
  const double weight = placement.weight(removed);
  const double grown_weight = placement.weight_if_grown(expert);
  Touch(placement.rank_of(slot), grown_weight - weight);
  TouchAll(placement, removed, slot,
           placement.weight_if_shrunk(removed) - weight);
  TouchAll(placement, expert, -1, grown_weight - placement.weight(expert));
  return Sum(placement, penalty) -
         PenaltyOfReplicas(placement, penalty, removed, expert);
}

double ReplacementRelief::OfShift(const WorkingPlacement& placement,
                                  const RankOverloadPenalty& penalty, int slot,
                                  int expert, int target) {
  Begin();
  const int removed = placement.expert_of(target);
  const double weight = placement.weight(removed);
  const double shifted_weight = placement.weight(placement.expert_of(slot));
  const double grown_weight = placement.weight_if_grown(expert);
  Touch(placement.rank_of(slot), grown_weight - shifted_weight);
  Touch(placement.rank_of(target), shifted_weight - weight);
  TouchAll(placement, removed, target,
           placement.weight_if_shrunk(removed) - weight);
  TouchAll(placement, expert, -1, grown_weight - placement.weight(expert));
  return Sum(placement, penalty) -
         PenaltyOfReplicas(placement, penalty, removed, expert);
}

void ReplacementRelief::Begin() {
  touched_.clear();
  ++question_;
}

void ReplacementRelief::Touch(int rank, double change) {
  if (question_of_[rank] != question_) {
    question_of_[rank] = question_;
    change_[rank] = 0.0;
    touched_.push_back(rank);
  }
  change_[rank] += change;
}

void ReplacementRelief::TouchAll(const WorkingPlacement& placement, int expert,
                                 int except, double change) {
  for (int slot = placement.first_slot(expert); slot >= 0;
       slot = placement.next_slot(slot)) {
    if (slot != except) Touch(placement.rank_of(slot), change);
  }
}

double ReplacementRelief::Sum(const WorkingPlacement& placement,
                              const RankOverloadPenalty& penalty) {
  double relief = 0.0;
  largest_touched_load_ = 0.0;
  for (const int32_t rank : touched_) {
    const double before = placement.rank_load(rank);
    const double after = before + change_[rank];
    relief += penalty.Of(before) - penalty.Of(after);
    largest_touched_load_ = std::max(largest_touched_load_, after);
  }
  return relief;
}

}  // namespace eplb
