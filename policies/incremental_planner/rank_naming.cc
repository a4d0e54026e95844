#include "policies/incremental_planner/rank_naming.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

RankNaming::RankNaming(int num_experts, int num_ranks, int slots_per_rank)
    : num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      first_slot_(num_experts),
      next_slot_(static_cast<size_t>(num_ranks) * slots_per_rank),
      overlap_(num_ranks),
      is_taken_(num_ranks) {}

void RankNaming::MeetAgain(absl::Span<const int32_t> reference,
                           absl::Span<int32_t> experts) {
  // Chains of the slots that hold the same expert in the reference.
  std::fill(first_slot_.begin(), first_slot_.end(), -1);
  for (size_t slot = 0; slot < reference.size(); ++slot) {
    const int32_t expert = reference[slot];
    if (expert < 0) continue;
    next_slot_[slot] = first_slot_[expert];
    first_slot_[expert] = static_cast<int32_t>(slot);
  }
  unnamed_.assign(experts.begin(), experts.end());
  std::fill(is_taken_.begin(), is_taken_.end(), 0);
  int first_left = 0;
  for (int unnamed = 0; unnamed < num_ranks_; ++unnamed) {
    const auto held = absl::MakeConstSpan(unnamed_).subspan(
        static_cast<size_t>(unnamed) * slots_per_rank_, slots_per_rank_);
    met_.clear();
    for (const int32_t expert : held) {
      for (int slot = first_slot_[expert]; slot >= 0; slot = next_slot_[slot]) {
        const int rank = slot / slots_per_rank_;
        if (is_taken_[rank] != 0) continue;
        if (overlap_[rank]++ == 0) met_.push_back(rank);
      }
    }
    // Where there is nobody to meet, the first rank that is left.
    while (is_taken_[first_left] != 0) ++first_left;
    int best = first_left;
    for (const int32_t rank : met_) {
      if (overlap_[rank] > overlap_[best] ||
          (overlap_[rank] == overlap_[best] && rank < best)) {
        best = rank;
      }
    }
    for (const int32_t rank : met_) overlap_[rank] = 0;
    is_taken_[best] = 1;
    std::copy(held.begin(), held.end(),
              experts.begin() + static_cast<ptrdiff_t>(best) * slots_per_rank_);
  }
}

}  // namespace eplb
