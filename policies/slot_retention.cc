#include "policies/slot_retention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {
namespace {

// Reorders the slots of one rank. `wanted` counts per expert and is all zero
// before and after.
void KeepSlotsOfRank(absl::Span<const int32_t> before,
                     absl::Span<int32_t> after, std::vector<int32_t>& wanted,
                     std::vector<int32_t>& incoming) {
  for (const int32_t expert : after) {
    if (expert != Placement::kEmptySlot) ++wanted[expert];
  }
  incoming.assign(after.begin(), after.end());
  for (size_t slot = 0; slot < after.size(); ++slot) {
    const int32_t expert = before[slot];
    const bool stays = expert != Placement::kEmptySlot && wanted[expert] > 0;
    after[slot] = stays ? expert : Placement::kEmptySlot;
    if (stays) --wanted[expert];
  }
  auto open = after.begin();
  for (const int32_t expert : incoming) {
    if (expert == Placement::kEmptySlot || wanted[expert] == 0) continue;
    --wanted[expert];
    open = std::find(open, after.end(), Placement::kEmptySlot);
    *open = expert;
  }
}

}  // namespace

void KeepSlots(const Placement& current, int slots_per_rank,
               absl::Span<int32_t> experts) {
  std::vector<int32_t> wanted(current.num_logical_experts(), 0);
  std::vector<int32_t> incoming;
  const absl::Span<const int32_t> before = current.physical_to_logical_map();
  for (size_t begin = 0; begin < experts.size(); begin += slots_per_rank) {
    KeepSlotsOfRank(before.subspan(begin, slots_per_rank),
                    experts.subspan(begin, slots_per_rank), wanted, incoming);
  }
}

int CountMovedSlots(absl::Span<const int32_t> before,
                    absl::Span<const int32_t> after, int slots_per_rank) {
  int32_t last_expert = -1;
  for (const int32_t expert : before) {
    last_expert = std::max(last_expert, expert);
  }
  // Per expert, the last rank that was seen to hold it.
  std::vector<size_t> held_by(last_expert + 1, after.size());
  int moved = 0;
  for (size_t begin = 0; begin < after.size(); begin += slots_per_rank) {
    for (const int32_t expert : before.subspan(begin, slots_per_rank)) {
      if (expert != Placement::kEmptySlot) held_by[expert] = begin;
    }
    for (const int32_t expert : after.subspan(begin, slots_per_rank)) {
      if (expert == Placement::kEmptySlot) continue;
      moved += expert > last_expert || held_by[expert] != begin;
    }
  }
  return moved;
}

}  // namespace eplb
