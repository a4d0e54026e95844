#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_SEARCH_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_SEARCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "policies/incremental_planner/change_search_context.h"
#include "policies/incremental_planner/donor_shortlist.h"
#include "policies/incremental_planner/replacement_relief.h"

namespace eplb {

// Searches for changes of replica counts: a replica of one expert gives its
// slot to another expert. They cost half of what swaps cost and can relieve
// several ranks at once.
//
// Thread-compatible. Keeps its memory between calls.
class ReplacementSearch {
 public:
  ReplacementSearch(int num_experts, int num_ranks, int slots_per_rank);

  // Starts with another placement or penalty, and unpins all experts.
  void Restart();
  // Replicas of pinned experts are never given up. To be called before a
  // change of the expert's replicas.
  void Pin(int expert) { pinned_[expert] = 1; }
  bool IsPinned(int expert) const { return pinned_[expert] != 0; }

  // Offers single replacements. Looks anew at the ranks only that the placement
  // lists as changed since the last call.
  void OfferReplacements(ChangeSearchContext& context);
  // Offers shifts: an expert leaves an overloaded rank for the place of a
  // replica elsewhere, and a replica of an expert that overloads other ranks
  // takes its own. Two moves, as for a swap, but they can relieve several
  // ranks. To be called after OfferReplacements for the same placement.
  void OfferShifts(ChangeSearchContext& context);

 private:
  // An expert on overloaded ranks and what one replica more takes off them.
  struct Receiver {
    double relief;
    int32_t expert;
  };

  // How many receivers one search considers. It bounds the work per change on
  // wide groups.
  static constexpr int kMaxReceivers = 24;

  void CollectReceivers(ChangeSearchContext& context);
  void InsertReceiver(Receiver receiver);
  // A lower bound for a rank that has `rest` besides a receiver.
  double LeastPenaltyWithReceiver(const ChangeSearchContext& context,
                                  double rest) const;
  void RefreshDonors(const ChangeSearchContext& context);
  void RefreshDonorsOf(const ChangeSearchContext& context, int expert);
  void OfferSlot(ChangeSearchContext& context, const Donor& donor);
  void OfferReplace(ChangeSearchContext& context, const Donor& donor,
                    const Receiver& receiver);
  Receiver BestReceiverFor(ChangeSearchContext& context, int rank, double rest,
                           double least_penalty) const;
  void OfferShiftsOf(ChangeSearchContext& context, int slot,
                     const Receiver& receiver);

  ReplacementRelief relief_;
  std::array<Receiver, kMaxReceivers> receivers_;  // by falling relief
  int num_receivers_ = 0;
  double least_receiver_weight_ = 0.0;  // once it has grown
  // Per slot: the penalty of its rank now, less what the ranks of the other
  // replicas get when it is given up; -infinity where that cannot be.
  std::vector<double> donor_base_;
  bool donors_are_known_ = false;
  DonorShortlist shortlist_;
  std::vector<Donor> donors_;   // those worth a shift, by falling base
  std::vector<uint32_t> seen_;  // per expert, the walk that last saw it
  uint32_t walk_number_ = 0;
  std::vector<uint8_t> pinned_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_REPLACEMENT_SEARCH_H_
