#include "policies/incremental_planner/placement_completion.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

PlacementCompletion::PlacementCompletion(int num_experts, int num_ranks,
                                         int slots_per_rank)
    : num_experts_(num_experts),
      num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      count_(num_experts),
      empty_on_rank_(num_ranks),
      rank_load_(num_ranks),
      is_held_(num_experts) {
  missing_.reserve(num_experts);
}

bool PlacementCompletion::IsComplete(absl::Span<const int32_t> slots) {
  std::fill(count_.begin(), count_.end(), 0);
  int placed = 0;
  for (const int32_t expert : slots) {
    if (expert < 0) return false;
    if (count_[expert]++ == 0) ++placed;
  }
  return placed == num_experts_;
}

void PlacementCompletion::Complete(absl::Span<const double> loads,
                                   absl::Span<int32_t> slots) {
  Count(loads, slots);
  missing_.clear();
  for (int expert = 0; expert < num_experts_; ++expert) {
    if (count_[expert] == 0) missing_.push_back(expert);
  }
  const auto num_empty = std::count(slots.begin(), slots.end(), -1);
  FreeSlots(static_cast<int>(missing_.size()) - static_cast<int>(num_empty),
            loads, slots);
  PlaceMissing(loads, slots);
  FillWithReplicas(loads, slots);
}

void PlacementCompletion::Count(absl::Span<const double> loads,
                                absl::Span<const int32_t> slots) {
  std::fill(count_.begin(), count_.end(), 0);
  for (const int32_t expert : slots) {
    if (expert >= 0) ++count_[expert];
  }
  std::fill(rank_load_.begin(), rank_load_.end(), 0.0);
  std::fill(empty_on_rank_.begin(), empty_on_rank_.end(), 0);
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    const size_t rank = slot / slots_per_rank_;
    const int32_t expert = slots[slot];
    if (expert >= 0) {
      rank_load_[rank] += loads[expert] / count_[expert];
    } else {
      ++empty_on_rank_[rank];
    }
  }
}

// Takes replicas whose load burdens the others least when spread over them,
// each from the most loaded rank that has one.
void PlacementCompletion::FreeSlots(int num, absl::Span<const double> loads,
                                    absl::Span<int32_t> slots) {
  for (; num > 0; --num) {
    int victim = -1;
    for (int expert = 0; expert < num_experts_; ++expert) {
      if (count_[expert] < 2) continue;
      if (victim < 0 || loads[expert] / (count_[expert] - 1) <
                            loads[victim] / (count_[victim] - 1)) {
        victim = expert;
      }
    }
    int freed = -1;
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      if (slots[slot] != victim) continue;
      if (freed < 0 || rank_load_[slot / slots_per_rank_] >
                           rank_load_[freed / slots_per_rank_]) {
        freed = static_cast<int>(slot);
      }
    }
    slots[freed] = -1;
    Count(loads, slots);
  }
}

void PlacementCompletion::PlaceMissing(absl::Span<const double> loads,
                                       absl::Span<int32_t> slots) {
  std::sort(missing_.begin(), missing_.end(), [loads](int32_t a, int32_t b) {
    return loads[a] != loads[b] ? loads[a] > loads[b] : a < b;
  });
  for (const int32_t expert : missing_) {
    const int rank = LeastLoadedRankWithEmptySlot();
    slots[PopEmptySlot(rank, slots)] = expert;
    count_[expert] = 1;
    rank_load_[rank] += loads[expert];
  }
}

void PlacementCompletion::FillWithReplicas(absl::Span<const double> loads,
                                           absl::Span<int32_t> slots) {
  for (int rank = LeastLoadedRankWithEmptySlot(); rank >= 0;
       rank = LeastLoadedRankWithEmptySlot()) {
    const int expert = HottestExpertFor(rank, loads, slots);
    slots[PopEmptySlot(rank, slots)] = expert;
    Count(loads, slots);
  }
}

int PlacementCompletion::LeastLoadedRankWithEmptySlot() const {
  int best = -1;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    if (empty_on_rank_[rank] == 0) continue;
    if (best < 0 || rank_load_[rank] < rank_load_[best]) best = rank;
  }
  return best;
}

int PlacementCompletion::PopEmptySlot(int rank,
                                      absl::Span<const int32_t> slots) {
  --empty_on_rank_[rank];
  int slot = rank * slots_per_rank_;
  while (slots[slot] >= 0) ++slot;
  return slot;
}

// The expert with the heaviest replicas among those the rank does not hold;
// among all when it holds every one.
int PlacementCompletion::HottestExpertFor(int rank,
                                          absl::Span<const double> loads,
                                          absl::Span<const int32_t> slots) {
  std::fill(is_held_.begin(), is_held_.end(), 0);
  for (int i = 0; i < slots_per_rank_; ++i) {
    const int32_t expert = slots[rank * slots_per_rank_ + i];
    if (expert >= 0) is_held_[expert] = 1;
  }
  int best = -1;
  for (int expert = 0; expert < num_experts_; ++expert) {
    if (best >= 0) {
      if (is_held_[expert] > is_held_[best]) continue;
      if (is_held_[expert] == is_held_[best] &&
          loads[expert] / count_[expert] <= loads[best] / count_[best]) {
        continue;
      }
    }
    best = expert;
  }
  return best;
}

}  // namespace eplb
