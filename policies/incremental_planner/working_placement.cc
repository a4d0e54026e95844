#include "policies/incremental_planner/working_placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

WorkingPlacement::WorkingPlacement(int num_experts, int num_ranks,
                                   int slots_per_rank)
    : num_experts_(num_experts),
      num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      load_(num_experts),
      weight_(num_experts),
      grown_weight_(num_experts),
      count_(num_experts),
      first_slot_(num_experts),
      expert_of_(num_slots(), -1),
      reference_(num_slots(), -1),
      rank_of_(num_slots()),
      is_moved_(num_slots()),
      next_slot_(num_slots()),
      sorted_slot_(num_slots()),
      sorted_weight_(num_slots()),
      rank_load_(num_ranks),
      ranks_by_load_(num_ranks),
      is_changed_(num_ranks),
      surplus_(static_cast<size_t>(num_ranks) * num_experts) {
  changed_ranks_.reserve(num_ranks);
  for (int slot = 0; slot < num_slots(); ++slot) {
    rank_of_[slot] = slot / slots_per_rank;
  }
}

void WorkingPlacement::Reset(absl::Span<const double> loads,
                             absl::Span<const int32_t> slots,
                             absl::Span<const int32_t> reference) {
  ClearSurplus();
  std::copy(loads.begin(), loads.end(), load_.begin());
  std::copy(slots.begin(), slots.end(), expert_of_.begin());
  std::copy(reference.begin(), reference.end(), reference_.begin());
  std::fill(count_.begin(), count_.end(), 0);
  std::fill(first_slot_.begin(), first_slot_.end(), -1);
  moved_slots_ = 0;
  for (int slot = 0; slot < num_slots(); ++slot) {
    const int rank = rank_of_[slot];
    const int expert = expert_of_[slot];
    ++count_[expert];
    next_slot_[slot] = first_slot_[expert];
    first_slot_[expert] = slot;
    sorted_slot_[slot] = slot;
    ++surplus_[SurplusIndex(rank, expert)];
    if (reference_[slot] >= 0) {
      --surplus_[SurplusIndex(rank, reference_[slot])];
    }
  }
  for (int expert = 0; expert < num_experts_; ++expert) {
    SetCount(expert, count_[expert]);
  }
  for (int rank = 0; rank < num_ranks_; ++rank) {
    ranks_by_load_[rank] = rank;
    RefreshMoved(rank);
    RefreshRank(rank);
  }
  std::sort(ranks_by_load_.begin(), ranks_by_load_.end(),
            [this](int32_t a, int32_t b) {
              return rank_load_[a] != rank_load_[b]
                         ? rank_load_[a] > rank_load_[b]
                         : a < b;
            });
  ForgetChangedRanks();
  // A pair in surplus by k counts k moves but is met in at least k slots, so
  // it is counted at its first slot on the rank.
  for (int slot = 0; slot < num_slots(); ++slot) {
    if (!is_moved_[slot]) continue;
    const int expert = expert_of_[slot];
    const int first = rank_of_[slot] * slots_per_rank_;
    const auto begin = expert_of_.begin() + first;
    if (std::find(begin, expert_of_.begin() + slot, expert) ==
        expert_of_.begin() + slot) {
      moved_slots_ += Surplus(rank_of_[slot], expert);
    }
  }
}

void WorkingPlacement::ClearSurplus() {
  for (int slot = 0; slot < num_slots(); ++slot) {
    const int rank = rank_of_[slot];
    if (expert_of_[slot] >= 0) {
      surplus_[SurplusIndex(rank, expert_of_[slot])] = 0;
    }
    if (reference_[slot] >= 0) {
      surplus_[SurplusIndex(rank, reference_[slot])] = 0;
    }
  }
}

void WorkingPlacement::Swap(int slot, int other) {
  const int expert = expert_of_[slot];
  PutExpert(slot, expert_of_[other]);
  PutExpert(other, expert);
  RefreshChangedRank(rank_of_[slot]);
  RefreshChangedRank(rank_of_[other]);
}

void WorkingPlacement::Replace(int slot, int expert) {
  const int removed = expert_of_[slot];
  PutExpert(slot, expert);
  SetCount(removed, count_[removed] - 1);
  SetCount(expert, count_[expert] + 1);
  for (int s = first_slot_[removed]; s >= 0; s = next_slot_[s]) {
    RefreshChangedRank(rank_of_[s]);
  }
  for (int s = first_slot_[expert]; s >= 0; s = next_slot_[s]) {
    RefreshChangedRank(rank_of_[s]);
  }
}

void WorkingPlacement::ForgetChangedRanks() {
  for (const int32_t rank : changed_ranks_) is_changed_[rank] = 0;
  changed_ranks_.clear();
}

double WorkingPlacement::largest_rank_load() const {
  return *std::max_element(rank_load_.begin(), rank_load_.end());
}

absl::Span<const int32_t> WorkingPlacement::RanksByFallingLoad() {
  // A change touches few ranks, so the order is nearly right already.
  for (int i = 1; i < num_ranks_; ++i) {
    const int rank = ranks_by_load_[i];
    const double load = rank_load_[rank];
    int j = i;
    for (; j > 0 && rank_load_[ranks_by_load_[j - 1]] < load; --j) {
      ranks_by_load_[j] = ranks_by_load_[j - 1];
    }
    ranks_by_load_[j] = rank;
  }
  return ranks_by_load_;
}

int WorkingPlacement::SwapCost(int slot, int other) const {
  return ReplaceCost(slot, expert_of_[other]) +
         ReplaceCost(other, expert_of_[slot]);
}

int WorkingPlacement::ReplaceCost(int slot, int expert) const {
  const int rank = rank_of_[slot];
  return LeaveCost(rank, expert_of_[slot]) + EnterCost(rank, expert);
}

bool WorkingPlacement::MaySwap(int slot, int other) const {
  const int expert = expert_of_[slot];
  const int other_expert = expert_of_[other];
  return (count_[expert] == 1 || !Holds(rank_of_[other], expert)) &&
         (count_[other_expert] == 1 || !Holds(rank_of_[slot], other_expert));
}

void WorkingPlacement::PutExpert(int slot, int expert) {
  const int rank = rank_of_[slot];
  const int removed = expert_of_[slot];
  moved_slots_ += LeaveCost(rank, removed);
  --surplus_[SurplusIndex(rank, removed)];
  moved_slots_ += EnterCost(rank, expert);
  ++surplus_[SurplusIndex(rank, expert)];
  int32_t* link = &first_slot_[removed];
  while (*link != slot) link = &next_slot_[*link];
  *link = next_slot_[slot];
  next_slot_[slot] = first_slot_[expert];
  first_slot_[expert] = slot;
  expert_of_[slot] = expert;
  RefreshMoved(rank);
}

void WorkingPlacement::SetCount(int expert, int count) {
  count_[expert] = count;
  weight_[expert] = load_[expert] / count;
  grown_weight_[expert] = load_[expert] / (count + 1);
}

void WorkingPlacement::RefreshMoved(int rank) {
  const int first = rank * slots_per_rank_;
  for (int slot = first; slot < first + slots_per_rank_; ++slot) {
    is_moved_[slot] = Surplus(rank, expert_of_[slot]) > 0;
  }
}

void WorkingPlacement::RefreshChangedRank(int rank) {
  RefreshRank(rank);
  if (is_changed_[rank] != 0) return;
  is_changed_[rank] = 1;
  changed_ranks_.push_back(rank);
}

void WorkingPlacement::RefreshRank(int rank) {
  int32_t* slots = &sorted_slot_[static_cast<size_t>(rank) * slots_per_rank_];
  double* weights =
      &sorted_weight_[static_cast<size_t>(rank) * slots_per_rank_];
  for (int i = 0; i < slots_per_rank_; ++i) {
    const int slot = slots[i];
    const double weight = weight_[expert_of_[slot]];
    int j = i;
    for (; j > 0 && weights[j - 1] < weight; --j) {
      slots[j] = slots[j - 1];
      weights[j] = weights[j - 1];
    }
    slots[j] = slot;
    weights[j] = weight;
  }
  // Summed anew, so that the loads do not depend on the path of changes.
  double load = 0.0;
  for (int i = 0; i < slots_per_rank_; ++i) load += weights[i];
  rank_load_[rank] = load;
}

}  // namespace eplb
