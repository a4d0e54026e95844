#include "policies/incremental_planner/replacement_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "policies/incremental_planner/change_search_context.h"
#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

using Kind = PlacementChange::Kind;

// Shifts are many, so only the most loaded ranks are searched for them. All
// overloaded ranks would save one move in a hundred for twice the time.
constexpr int kMaxShiftedFrom = 4;

// What one replica more takes off the ranks that hold the expert now.
double ReliefOfGrowing(const ChangeSearchContext& context, int expert) {
  const WorkingPlacement& placement = context.placement;
  const double drop =
      placement.weight(expert) - placement.weight_if_grown(expert);
  double relief = context.penalty.OfReplicas(placement.load(expert), drop);
  for (int slot = placement.first_slot(expert); slot >= 0;
       slot = placement.next_slot(slot)) {
    const int rank = placement.rank_of(slot);
    relief += context.rank_penalties[rank] -
              context.penalty.Of(placement.rank_load(rank) - drop);
  }
  return relief;
}

}  // namespace

ReplacementSearch::ReplacementSearch(int num_experts, int num_ranks,
                                     int slots_per_rank)
    : relief_(num_ranks),
      donor_base_(static_cast<size_t>(num_ranks) * slots_per_rank),
      shortlist_(num_ranks * slots_per_rank),
      seen_(num_experts),
      pinned_(num_experts) {}

void ReplacementSearch::Restart() {
  donors_are_known_ = false;
  shortlist_.Restart();
  std::fill(pinned_.begin(), pinned_.end(), 0);
}

void ReplacementSearch::OfferReplacements(ChangeSearchContext& context) {
  CollectReceivers(context);
  RefreshDonors(context);
  if (num_receivers_ == 0) return;
  const double most_relief = receivers_[0].relief;
  for (int slot = 0; slot < context.placement.num_slots(); ++slot) {
    const int least_cost = context.placement.IsMoved(slot) ? 0 : 1;
    if (context.selector.CouldBeBest(most_relief + donor_base_[slot],
                                     least_cost)) {
      OfferSlot(context, {donor_base_[slot], slot});
    }
  }
}

// A change touches few ranks, and only experts on these are worth another
// base.
void ReplacementSearch::RefreshDonors(const ChangeSearchContext& context) {
  const WorkingPlacement& placement = context.placement;
  if (!donors_are_known_) {
    donors_are_known_ = true;
    for (int expert = 0; expert < placement.num_experts(); ++expert) {
      RefreshDonorsOf(context, expert);
    }
    return;
  }
  ++walk_number_;
  for (const int32_t rank : placement.changed_ranks()) {
    for (int i = 0; i < placement.slots_per_rank(); ++i) {
      const int expert = placement.expert_of(placement.sorted_slots(rank)[i]);
      if (seen_[expert] == walk_number_) continue;
      seen_[expert] = walk_number_;
      RefreshDonorsOf(context, expert);
    }
  }
}

void ReplacementSearch::CollectReceivers(ChangeSearchContext& context) {
  const WorkingPlacement& placement = context.placement;
  ++walk_number_;
  num_receivers_ = 0;
  least_receiver_weight_ = std::numeric_limits<double>::infinity();
  for (int i = 0; i < context.num_overloaded; ++i) {
    const int32_t* slots = placement.sorted_slots(context.ranks[i]);
    for (int k = 0; k < placement.slots_per_rank(); ++k) {
      const int expert = placement.expert_of(slots[k]);
      if (seen_[expert] == walk_number_) continue;
      seen_[expert] = walk_number_;
      ++context.evaluations;
      const double relief = ReliefOfGrowing(context, expert);
      if (relief <= 0.0) continue;
      least_receiver_weight_ =
          std::min(least_receiver_weight_, placement.weight_if_grown(expert));
      InsertReceiver({relief, expert});
    }
  }
}

double ReplacementSearch::LeastPenaltyWithReceiver(
    const ChangeSearchContext& context, double rest) const {
  const double load = rest + least_receiver_weight_;
  return load > 1.0 ? context.penalty.Of(load) : 0.0;
}

void ReplacementSearch::InsertReceiver(Receiver receiver) {
  int i = num_receivers_;
  if (i == kMaxReceivers) {
    if (receivers_[i - 1].relief >= receiver.relief) return;
    --i;
  } else {
    ++num_receivers_;
  }
  for (; i > 0 && receivers_[i - 1].relief < receiver.relief; --i) {
    receivers_[i] = receivers_[i - 1];
  }
  receivers_[i] = receiver;
}

void ReplacementSearch::RefreshDonorsOf(const ChangeSearchContext& context,
                                        int expert) {
  const WorkingPlacement& placement = context.placement;
  const int first = placement.first_slot(expert);
  if (placement.count(expert) == 1 || IsPinned(expert)) {
    for (int slot = first; slot >= 0; slot = placement.next_slot(slot)) {
      donor_base_[slot] = -std::numeric_limits<double>::infinity();
    }
    return;
  }
  const double growth =
      placement.weight_if_shrunk(expert) - placement.weight(expert);
  double burden = context.penalty.OfReplicas(placement.load(expert), growth);
  for (int slot = first; slot >= 0; slot = placement.next_slot(slot)) {
    const int rank = placement.rank_of(slot);
    const double grown = context.penalty.Of(placement.rank_load(rank) + growth);
    donor_base_[slot] = grown;
    burden += grown - context.rank_penalties[rank];
  }
  // The burden is the others': the slot's own rank has its part taken out.
  for (int slot = first; slot >= 0; slot = placement.next_slot(slot)) {
    donor_base_[slot] -= burden;
    shortlist_.Consider(slot, donor_base_[slot]);
  }
}

void ReplacementSearch::OfferSlot(ChangeSearchContext& context,
                                  const Donor& donor) {
  const WorkingPlacement& placement = context.placement;
  const int least_cost = placement.IsMoved(donor.slot) ? 0 : 1;
  const int rank = placement.rank_of(donor.slot);
  const double rest = placement.rank_load(rank) -
                      placement.weight(placement.expert_of(donor.slot));
  const double most = donor.base - LeastPenaltyWithReceiver(context, rest);
  for (int i = 0; i < num_receivers_; ++i) {
    if (!context.selector.CouldBeBest(receivers_[i].relief + most,
                                      least_cost)) {
      break;
    }
    OfferReplace(context, donor, receivers_[i]);
  }
}

void ReplacementSearch::OfferReplace(ChangeSearchContext& context,
                                     const Donor& donor,
                                     const Receiver& receiver) {
  const WorkingPlacement& placement = context.placement;
  ++context.evaluations;
  const int rank = placement.rank_of(donor.slot);
  const int given_up = placement.expert_of(donor.slot);
  // Exact unless the two experts share another rank.
  const double estimate =
      receiver.relief + donor.base -
      context.penalty.Of(placement.rank_load(rank) -
                         placement.weight(given_up) +
                         placement.weight_if_grown(receiver.expert));
  if (!context.selector.CouldBeBest(estimate, 0)) return;
  const int cost = placement.ReplaceCost(donor.slot, receiver.expert);
  if (!context.selector.CouldBeBest(estimate, cost)) return;
  if (placement.Holds(rank, receiver.expert)) return;
  context.selector.Offer(
      {.kind = Kind::kReplace, .slot = donor.slot, .other = receiver.expert},
      relief_.OfReplace(placement, context.penalty, donor.slot,
                        receiver.expert),
      cost);
}

void ReplacementSearch::OfferShifts(ChangeSearchContext& context) {
  const WorkingPlacement& placement = context.placement;
  if (context.num_overloaded == 0 || num_receivers_ == 0) return;
  const double most_relief = receivers_[0].relief;
  const double most_with_rank =
      most_relief + context.rank_penalties[context.ranks[0]];
  shortlist_.List(
      donor_base_,
      [&](double base) {
        return context.selector.CouldBeBest(most_with_rank + base, 1);
      },
      donors_);
  if (donors_.empty()) return;
  const int num_relieved = std::min(context.num_overloaded, kMaxShiftedFrom);
  for (int i = 0; i < num_relieved; ++i) {
    const int rank = context.ranks[i];
    const double most =
        most_relief + context.rank_penalties[rank] + donors_[0].base;
    if (!context.selector.CouldBeBest(most, 1)) break;
    for (int k = 0; k < placement.slots_per_rank(); ++k) {
      const double rest =
          placement.rank_load(rank) - placement.sorted_weights(rank)[k];
      const double least_penalty = LeastPenaltyWithReceiver(context, rest);
      // Lighter experts leave even more behind.
      if (!context.selector.CouldBeBest(most - least_penalty, 1)) break;
      // The best receiver alone: which donor is best hardly depends on it.
      const Receiver receiver =
          BestReceiverFor(context, rank, rest, least_penalty);
      if (receiver.expert < 0) continue;
      OfferShiftsOf(context, placement.sorted_slots(rank)[k], receiver);
    }
  }
}

// For a rank that is left with `rest`; its own relief included. The expert is
// -1 when no receiver is good enough for the best donor.
ReplacementSearch::Receiver ReplacementSearch::BestReceiverFor(
    ChangeSearchContext& context, int rank, double rest,
    double least_penalty) const {
  const WorkingPlacement& placement = context.placement;
  Receiver best = {context.selector.ReliefToBeat(1) - donors_[0].base, -1};
  for (int i = 0; i < num_receivers_; ++i) {
    const int expert = receivers_[i].expert;
    const double before = receivers_[i].relief + context.rank_penalties[rank];
    if (before - least_penalty <= best.relief) break;
    ++context.evaluations;
    const double relief =
        before - context.penalty.Of(rest + placement.weight_if_grown(expert));
    if (relief > best.relief && !placement.Holds(rank, expert)) {
      best = {relief, expert};
    }
  }
  return best;
}

void ReplacementSearch::OfferShiftsOf(ChangeSearchContext& context, int slot,
                                      const Receiver& receiver) {
  const WorkingPlacement& placement = context.placement;
  const int rank = placement.rank_of(slot);
  const int expert = placement.expert_of(slot);
  const double weight = placement.weight(expert);
  const int slot_cost = placement.IsMoved(slot) ? 0 : 1;
  for (const Donor& donor : donors_) {
    const double most = receiver.relief + donor.base;
    if (!context.selector.CouldBeBest(most, 1)) break;
    const int least_cost =
        std::max(1, slot_cost + (placement.IsMoved(donor.slot) ? 0 : 1));
    if (!context.selector.CouldBeBest(most, least_cost)) continue;
    ++context.evaluations;
    const int target_rank = placement.rank_of(donor.slot);
    const int given_up = placement.expert_of(donor.slot);
    const double estimate =
        most - context.penalty.Of(placement.rank_load(target_rank) -
                                  placement.weight(given_up) + weight);
    if (!context.selector.CouldBeBest(estimate, least_cost)) continue;
    if (target_rank == rank || given_up == receiver.expert ||
        placement.Holds(target_rank, expert)) {
      continue;
    }
    const int cost = placement.ReplaceCost(slot, receiver.expert) +
                     placement.ReplaceCost(donor.slot, expert);
    if (!context.selector.CouldBeBest(estimate, cost)) continue;
    context.selector.Offer({.kind = Kind::kShift,
                            .slot = slot,
                            .other = receiver.expert,
                            .target = donor.slot},
                           relief_.OfShift(placement, context.penalty, slot,
                                           receiver.expert, donor.slot),
                           cost);
  }
}

}  // namespace eplb
