#include "snake_policy.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "policies/placement_policy.h"

namespace downstream {
namespace {

std::vector<int32_t> HottestFirst(absl::Span<const int64_t> loads) {
  std::vector<int32_t> experts(loads.size());
  std::iota(experts.begin(), experts.end(), 0);
  std::stable_sort(
      experts.begin(), experts.end(),
      [loads](int32_t a, int32_t b) { return loads[a] > loads[b]; });
  return experts;
}

}  // namespace

// The request is valid: sizes agree, slots divide by the ranks, and the active
// ranks have a slot for every expert.
absl::StatusOr<std::vector<int32_t>> SnakePolicy::ChoosePlacement(
    const eplb::PlacementRequest& request, std::vector<std::string>&) const {
  const absl::Span<const int> ranks = request.topology->active_ranks();
  const int num_ranks = static_cast<int>(ranks.size());
  const int num_slots = request.shape.num_physical_experts();
  const int slots_per_rank = request.slots_per_rank();
  std::vector<int32_t> experts(
      static_cast<size_t>(request.shape.num_layers) * num_slots,
      eplb::Placement::kEmptySlot);
  for (int layer = 0; layer < request.shape.num_layers; ++layer) {
    const std::vector<int32_t> order =
        HottestFirst(request.loads->layer(layer));
    for (int card = 0; card < num_ranks * slots_per_rank; ++card) {
      const int round = card / num_ranks;
      const int place = card % num_ranks;
      const int rank = ranks[round % 2 == 0 ? place : num_ranks - 1 - place];
      experts[static_cast<size_t>(layer) * num_slots + rank * slots_per_rank +
              round] = order[card % order.size()];
    }
  }
  return experts;
}

}  // namespace downstream
