#include "policies/incremental_planner/swap_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "policies/incremental_planner/change_search_context.h"
#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

using Kind = PlacementChange::Kind;

// How many of the least loaded ranks are considered as partners. It bounds the
// work per change on wide groups; more partners save no moves.
constexpr int kMaxPartners = 8;
// The same for swaps of slots that have moved already: only some ranks have
// such slots, so more are looked at.
constexpr int kMaxPartnersOfMoved = 32;

// No swap between two ranks relieves more than one that levels them.
double ReliefBound(const ChangeSearchContext& context, int rank, int other) {
  const double mean =
      (context.placement.rank_load(rank) + context.placement.rank_load(other)) /
      2;
  return context.rank_penalties[rank] + context.rank_penalties[other] -
         2 * context.penalty.ConvexPartOf(mean);
}

void OfferSwap(ChangeSearchContext& context, int slot, int other) {
  const WorkingPlacement& placement = context.placement;
  const int rank = placement.rank_of(slot);
  const int other_rank = placement.rank_of(other);
  const double shift = placement.weight(placement.expert_of(slot)) -
                       placement.weight(placement.expert_of(other));
  const double relief =
      context.rank_penalties[rank] + context.rank_penalties[other_rank] -
      context.penalty.Of(placement.rank_load(rank) - shift) -
      context.penalty.Of(placement.rank_load(other_rank) + shift);
  context.selector.Offer({.kind = Kind::kSwap, .slot = slot, .other = other},
                         relief, placement.SwapCost(slot, other));
}

// Of all swaps between two ranks the best is the one whose difference in
// weight is nearest to half of the difference in load.
void OfferSwapOfRanks(ChangeSearchContext& context, int hot, int cold) {
  const WorkingPlacement& placement = context.placement;
  const int size = placement.slots_per_rank();
  const int32_t* hot_slots = placement.sorted_slots(hot);
  const int32_t* cold_slots = placement.sorted_slots(cold);
  const double* hot_weights = placement.sorted_weights(hot);
  const double* cold_weights = placement.sorted_weights(cold);
  const double wanted =
      (placement.rank_load(hot) - placement.rank_load(cold)) / 2;
  double nearest = std::numeric_limits<double>::infinity();
  int best_hot = -1;
  int best_cold = -1;
  int i = 0;
  int j = 0;
  while (i < size && j < size) {
    ++context.evaluations;
    const double surplus = hot_weights[i] - cold_weights[j] - wanted;
    const double distance = std::fabs(surplus);
    if (distance < nearest && placement.MaySwap(hot_slots[i], cold_slots[j])) {
      nearest = distance;
      best_hot = hot_slots[i];
      best_cold = cold_slots[j];
    }
    if (surplus > 0.0) {
      ++i;
    } else {
      ++j;
    }
  }
  if (best_hot >= 0) OfferSwap(context, best_hot, best_cold);
}

// Swaps of the moved slots of `rank` with any slot of `other`. `most` is the
// relief bound of the two.
void OfferSwapsOfMovedSlotsOf(ChangeSearchContext& context, int rank, int other,
                              double most) {
  const WorkingPlacement& placement = context.placement;
  const double load = placement.rank_load(rank);
  const double other_load = placement.rank_load(other);
  const double before =
      context.rank_penalties[rank] + context.rank_penalties[other];
  const int32_t* slots = placement.sorted_slots(rank);
  const int32_t* other_slots = placement.sorted_slots(other);
  const double* weights = placement.sorted_weights(rank);
  const double* other_weights = placement.sorted_weights(other);
  for (int i = 0; i < placement.slots_per_rank(); ++i) {
    if (!placement.IsMoved(slots[i])) continue;
    for (int j = 0; j < placement.slots_per_rank(); ++j) {
      ++context.evaluations;
      const double shift = weights[i] - other_weights[j];
      const double imbalance = (load - other_load) / 2 - shift;
      if (!context.selector.CouldBeBest(
              most - context.penalty.OfImbalance(imbalance), 1)) {
        continue;
      }
      const double relief = before - context.penalty.Of(load - shift) -
                            context.penalty.Of(other_load + shift);
      if (!context.selector.CouldBeBest(relief, 1)) continue;
      if (!placement.MaySwap(slots[i], other_slots[j])) continue;
      context.selector.Offer(
          {.kind = Kind::kSwap, .slot = slots[i], .other = other_slots[j]},
          relief, placement.SwapCost(slots[i], other_slots[j]));
    }
  }
}

}  // namespace

void OfferSwaps(ChangeSearchContext& context) {
  const int num_ranks = context.num_ranks();
  for (int i = 0; i < context.num_overloaded; ++i) {
    const int last = std::max(i + 1, num_ranks - kMaxPartners);
    for (int j = num_ranks - 1; j >= last; --j) {
      const int hot = context.ranks[i];
      const int cold = context.ranks[j];
      ++context.evaluations;
      // Warmer partners only lower the bound.
      if (!context.selector.CouldBeBest(ReliefBound(context, hot, cold), 2)) {
        break;
      }
      OfferSwapOfRanks(context, hot, cold);
    }
  }
}

void OfferSwapsOfMovedSlots(ChangeSearchContext& context) {
  if (context.placement.moved_slots() == 0) return;
  const int num_ranks = context.num_ranks();
  for (int i = 0; i < context.num_overloaded; ++i) {
    const int last = std::max(i + 1, num_ranks - kMaxPartnersOfMoved);
    for (int j = num_ranks - 1; j >= last; --j) {
      const int hot = context.ranks[i];
      const int cold = context.ranks[j];
      ++context.evaluations;
      const double most = ReliefBound(context, hot, cold);
      // Warmer partners only lower the bound.
      if (!context.selector.CouldBeBest(most, 1)) break;
      OfferSwapsOfMovedSlotsOf(context, hot, cold, most);
      OfferSwapsOfMovedSlotsOf(context, cold, hot, most);
    }
  }
}

}  // namespace eplb
