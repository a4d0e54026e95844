#include "policies/incremental_planner/balancing_attempt.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "policies/incremental_planner/change_search_context.h"
#include "policies/incremental_planner/needless_moves.h"
#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/placement_record.h"
#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/swap_search.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

// How changes are weighed. Near these values the number of moves is flat.
constexpr double kOverloadStep = 0.08;
constexpr double kSpread = 2.0;
constexpr double kReplicaWeight = 0.3;

// An attempt ends after this many evaluations per slot, at its goal or not.
// Ordinary ones need 20 to 400.
constexpr int64_t kMaxEvaluationsPerSlot = 600;

// How many of the most loaded ranks are considered for relief by one change.
// It bounds the work per change on wide groups; more save no moves.
constexpr int kMaxOverloaded = 12;

// Layers that need any splits by force need one to four.
constexpr int kMaxForcedSplits = 10;

// Differences that another order of summation would undo do not count.
constexpr double kRoundingMargin = 1e-9;

void RecordIfBetter(const WorkingPlacement& placement, int max_moves,
                    PlacementRecord& best_balance) {
  if (placement.moved_slots() <= max_moves &&
      placement.largest_rank_load() <
          best_balance.largest_rank_load * (1.0 - kRoundingMargin)) {
    best_balance.Take(placement);
  }
}

}  // namespace

BalancingAttempt::BalancingAttempt(int num_experts, int num_ranks,
                                   int slots_per_rank)
    : replacements_(num_experts, num_ranks, slots_per_rank),
      relief_(num_ranks),
      rank_penalties_(num_ranks) {}

bool BalancingAttempt::Run(const Goal& goal, WorkingPlacement& placement,
                           PlacementRecord& best_balance) {
  const RankOverloadPenalty penalty = {goal.largest_rank_load, kOverloadStep,
                                       kSpread, kReplicaWeight};
  const int64_t max_evaluations =
      kMaxEvaluationsPerSlot * placement.num_slots();
  evaluations_ = 0;
  int forced_splits = 0;
  replacements_.Restart();
  for (int rank = 0; rank < placement.num_ranks(); ++rank) {
    rank_penalties_[rank] = penalty.Of(placement.rank_load(rank));
  }
  while (placement.largest_rank_load() > goal.largest_rank_load) {
    if (evaluations_ > max_evaluations) return false;
    const int affordable = goal.max_moves - placement.moved_slots();
    const PlacementChange change = FindChange(penalty, affordable, placement);
    if (change.kind != PlacementChange::Kind::kNone) {
      change.ApplyTo(placement);
      continue;
    }
    RecordIfBetter(placement, goal.max_moves, best_balance);
    if (++forced_splits > kMaxForcedSplits ||
        !SplitByForce(penalty, affordable, placement)) {
      return false;
    }
  }
  UndoNeedlessMoves(penalty, relief_, placement);
  RecordIfBetter(placement, goal.max_moves, best_balance);
  return placement.moved_slots() <= goal.max_moves;
}

PlacementChange BalancingAttempt::FindChange(const RankOverloadPenalty& penalty,
                                             int affordable,
                                             WorkingPlacement& placement) {
  PlacementChangeSelector selector(affordable);
  for (const int32_t rank : placement.changed_ranks()) {
    rank_penalties_[rank] = penalty.Of(placement.rank_load(rank));
  }
  const absl::Span<const int32_t> ranks = placement.RanksByFallingLoad();
  int num_overloaded = 0;
  while (num_overloaded < std::min(placement.num_ranks(), kMaxOverloaded) &&
         placement.rank_load(ranks[num_overloaded]) > penalty.limit) {
    ++num_overloaded;
  }
  ChangeSearchContext context = {.placement = placement,
                                 .penalty = penalty,
                                 .ranks = ranks,
                                 .rank_penalties = rank_penalties_,
                                 .num_overloaded = num_overloaded,
                                 .selector = selector};
  // Each stage prunes by the best of the stages before it, so those that find
  // good changes at little expense come first.
  replacements_.OfferReplacements(context);
  placement.ForgetChangedRanks();
  OfferSwapsOfMovedSlots(context);
  OfferSwaps(context);
  replacements_.OfferShifts(context);
  evaluations_ += context.evaluations;
  return selector.best();
}

// Leaves a local optimum: the heaviest expert of the most loaded rank gets one
// more replica wherever that does least harm, and stays split.
bool BalancingAttempt::SplitByForce(const RankOverloadPenalty& penalty,
                                    int affordable,
                                    WorkingPlacement& placement) {
  const int rank = placement.RanksByFallingLoad()[0];
  for (int i = 0; i < placement.slots_per_rank(); ++i) {
    const int expert = placement.expert_of(placement.sorted_slots(rank)[i]);
    if (replacements_.IsPinned(expert)) continue;
    const int slot = SlotToSplitInto(penalty, affordable, expert, placement);
    if (slot < 0) continue;
    replacements_.Pin(expert);
    placement.Replace(slot, expert);
    return true;
  }
  return false;
}

int BalancingAttempt::SlotToSplitInto(const RankOverloadPenalty& penalty,
                                      int affordable, int expert,
                                      const WorkingPlacement& placement) {
  int best = -1;
  double best_relief = -std::numeric_limits<double>::infinity();
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int given_up = placement.expert_of(slot);
    if (placement.count(given_up) < 2 || replacements_.IsPinned(given_up) ||
        placement.Holds(placement.rank_of(slot), expert) ||
        placement.ReplaceCost(slot, expert) > affordable) {
      continue;
    }
    ++evaluations_;
    const double relief = relief_.OfReplace(placement, penalty, slot, expert);
    if (relief > best_relief) {
      best = slot;
      best_relief = relief;
    }
  }
  return best;
}

}  // namespace eplb
