#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_WORKING_PLACEMENT_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_WORKING_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// A complete placement of one layer while it is being improved: rank loads,
// replica counts and the number of moved slots are kept up to date by every
// change. Moves are counted per net new (rank, expert) pair against a
// reference placement, so a change that brings an expert back is a gain.
//
// Thread-compatible. Keeps its memory between layers.
class WorkingPlacement {
 public:
  WorkingPlacement(int num_experts, int num_ranks, int slots_per_rank);

  // Starts a layer. `loads` is in units of the mean rank load, at least 0;
  // `slots` has an expert in every slot and a slot for every expert;
  // `reference` may have empty slots (-1).
  void Reset(absl::Span<const double> loads, absl::Span<const int32_t> slots,
             absl::Span<const int32_t> reference);

  // Exchanges the experts of two slots.
  void Swap(int slot, int other);
  // Puts a replica of `expert` in the place of a replica of another expert,
  // which must have more than one.
  void Replace(int slot, int expert);

  int num_experts() const { return num_experts_; }
  int num_ranks() const { return num_ranks_; }
  int slots_per_rank() const { return slots_per_rank_; }
  int num_slots() const { return num_ranks_ * slots_per_rank_; }

  absl::Span<const int32_t> slots() const { return expert_of_; }
  int moved_slots() const { return moved_slots_; }
  double largest_rank_load() const;

  int expert_of(int slot) const { return expert_of_[slot]; }
  int rank_of(int slot) const { return rank_of_[slot]; }
  double rank_load(int rank) const { return rank_load_[rank]; }
  int count(int expert) const { return count_[expert]; }
  double load(int expert) const { return load_[expert]; }
  // Load of one replica: now, with one replica more, and with one fewer (for
  // which there must be at least two).
  double weight(int expert) const { return weight_[expert]; }
  double weight_if_grown(int expert) const { return grown_weight_[expert]; }
  double weight_if_shrunk(int expert) const {
    return load_[expert] / (count_[expert] - 1);
  }

  // The slots of an expert, as a chain that ends with -1.
  int first_slot(int expert) const { return first_slot_[expert]; }
  int next_slot(int slot) const { return next_slot_[slot]; }
  // The slots of a rank by falling weight, and those weights.
  const int32_t* sorted_slots(int rank) const {
    return &sorted_slot_[static_cast<size_t>(rank) * slots_per_rank_];
  }
  const double* sorted_weights(int rank) const {
    return &sorted_weight_[static_cast<size_t>(rank) * slots_per_rank_];
  }
  // Ranks by falling load; ties by the order of earlier calls.
  absl::Span<const int32_t> RanksByFallingLoad();
  // The ranks whose slots or loads changed since they were last forgotten,
  // each once. A reset does not count.
  absl::Span<const int32_t> changed_ranks() const { return changed_ranks_; }
  void ForgetChangedRanks();

  bool Holds(int rank, int expert) const {
    for (int slot = first_slot_[expert]; slot >= 0; slot = next_slot_[slot]) {
      if (rank_of_[slot] == rank) return true;
    }
    return false;
  }
  // How many slots of the rank hold the expert, less the reference's number.
  int Surplus(int rank, int expert) const {
    return surplus_[SurplusIndex(rank, expert)];
  }
  // Whether the rank holds the slot's expert more often than the reference.
  bool IsMoved(int slot) const { return is_moved_[slot] != 0; }
  int ReferenceExpert(int slot) const { return reference_[slot]; }

  // What a change adds to moved_slots(); negative when it saves moves.
  int SwapCost(int slot, int other) const;
  int ReplaceCost(int slot, int expert) const;
  // False where the swap would put two replicas of an expert on one rank.
  bool MaySwap(int slot, int other) const;

 private:
  size_t SurplusIndex(int rank, int expert) const {
    return static_cast<size_t>(rank) * num_experts_ + expert;
  }
  int LeaveCost(int rank, int expert) const {
    return Surplus(rank, expert) > 0 ? -1 : 0;
  }
  int EnterCost(int rank, int expert) const {
    return Surplus(rank, expert) >= 0 ? 1 : 0;
  }
  void ClearSurplus();
  void PutExpert(int slot, int expert);
  void SetCount(int expert, int count);
  void RefreshMoved(int rank);
  void RefreshRank(int rank);
  void RefreshChangedRank(int rank);

  const int num_experts_;
  const int num_ranks_;
  const int slots_per_rank_;
  int moved_slots_ = 0;

  // Per expert.
  std::vector<double> load_;
  std::vector<double> weight_;
  std::vector<double> grown_weight_;
  std::vector<int32_t> count_;
  std::vector<int32_t> first_slot_;
  // Per slot.
  std::vector<int32_t> expert_of_;
  std::vector<int32_t> reference_;
  std::vector<int32_t> rank_of_;
  std::vector<uint8_t> is_moved_;
  std::vector<int32_t> next_slot_;
  std::vector<int32_t> sorted_slot_;
  std::vector<double> sorted_weight_;
  // Per rank.
  std::vector<double> rank_load_;
  std::vector<int32_t> ranks_by_load_;
  std::vector<int32_t> changed_ranks_;
  std::vector<uint8_t> is_changed_;
  // Per (rank, expert). Only entries of current or reference pairs differ
  // from 0, so that a reset need not walk over all of it.
  std::vector<int16_t> surplus_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_WORKING_PLACEMENT_H_
