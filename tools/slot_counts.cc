#include "tools/slot_counts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {

SlotCounts CountSlots(const Placement& placement, int num_ranks, int layer) {
  const int slots_per_rank = placement.num_slots() / num_ranks;
  SlotCounts counts;
  counts.empty_slots = placement.num_slots();
  for (int expert = 0; expert < placement.num_logical_experts(); ++expert) {
    const absl::Span<const int32_t> slots =
        placement.slots_of_expert(layer, expert);
    const int replicas = static_cast<int>(slots.size());
    counts.most_replicas = std::max(counts.most_replicas, replicas);
    counts.empty_slots -= replicas;
    for (size_t i = 1; i < slots.size(); ++i) {
      counts.duplicate_slots +=
          slots[i] / slots_per_rank == slots[i - 1] / slots_per_rank;
    }
  }
  return counts;
}

}  // namespace eplb
