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

// Swaps of a moved slot with those of another rank, at least one of the two
// ranks being overloaded. Returns false when the ranks are too alike for any.
bool OfferSwapsWithRank(ChangeSearchContext& context, int slot, int rank) {
  const WorkingPlacement& placement = context.placement;
  const int own_rank = placement.rank_of(slot);
  ++context.evaluations;
  const double most = ReliefBound(context, rank, own_rank);
  if (!context.selector.CouldBeBest(most, 1)) return false;
  const double load = placement.rank_load(rank);
  const double own_load = placement.rank_load(own_rank);
  const double before =
      context.rank_penalties[rank] + context.rank_penalties[own_rank];
  const int32_t* slots = placement.sorted_slots(rank);
  const double* weights = placement.sorted_weights(rank);
  const double own_weight = placement.weight(placement.expert_of(slot));
  for (int i = 0; i < placement.slots_per_rank(); ++i) {
    ++context.evaluations;
    const double shift = weights[i] - own_weight;
    const double imbalance = (load - own_load) / 2 - shift;
    if (!context.selector.CouldBeBest(
            most - context.penalty.OfImbalance(imbalance), 1)) {
      continue;
    }
    const double relief = before - context.penalty.Of(load - shift) -
                          context.penalty.Of(own_load + shift);
    if (!context.selector.CouldBeBest(relief, 1)) continue;
    if (!placement.MaySwap(slot, slots[i])) continue;
    context.selector.Offer(
        {.kind = Kind::kSwap, .slot = slots[i], .other = slot}, relief,
        placement.SwapCost(slot, slots[i]));
  }
  return true;
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
  const WorkingPlacement& placement = context.placement;
  if (placement.moved_slots() == 0) return;
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    if (!placement.IsMoved(slot)) continue;
    const int rank = placement.rank_of(slot);
    // From both ends of the order, each until the ranks are too alike.
    for (int i = 0; i < context.num_overloaded; ++i) {
      if (context.ranks[i] == rank) continue;
      if (!OfferSwapsWithRank(context, slot, context.ranks[i])) break;
    }
    if (placement.rank_load(rank) <= context.penalty.limit) continue;
    for (int i = context.num_ranks() - 1; i >= context.num_overloaded; --i) {
      if (!OfferSwapsWithRank(context, slot, context.ranks[i])) break;
    }
  }
}

}  // namespace eplb
