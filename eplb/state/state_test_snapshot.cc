#include "eplb/state/state_test_snapshot.h"

#include <cstddef>
#include <vector>

#include "eplb/core/placement.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

template <typename T>
std::vector<T> Values(const T* begin, int count) {
  return {begin, begin + count};
}

}  // namespace

std::vector<LayerSnapshot> TakeSnapshot(const EplbState& state, int model) {
  const Placement& placement = state.placement(model);
  std::vector<LayerSnapshot> layers;
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const LayerView view = state.layer_view(model, layer);
    const int num_experts = view.routes.num_experts;
    const int num_routes = view.routes.row_begin[num_experts];
    const auto experts = placement.experts_of_slots(layer);
    layers.push_back(
        {.experts_of_slots = {experts.begin(), experts.end()},
         .row_begin = Values(view.routes.row_begin, num_experts + 1),
         .slots = Values(view.routes.slots, num_routes),
         .reciprocals = Values(view.routes.reciprocals, num_experts),
         .share_ends = Values(view.routes.share_ends, num_routes),
         .replica_counts = Values(view.replica_counts, num_experts),
         .pass_counts = Values(view.pass_counts, placement.num_slots())});
  }
  return layers;
}

void ExpectOldLayersUntouched(const std::vector<LayerSnapshot>& before,
                              const std::vector<LayerSnapshot>& after) {
  ASSERT_EQ(before.size(), after.size());
  for (size_t layer = 0; layer < before.size(); ++layer) {
    SCOPED_TRACE(testing::Message() << "layer " << layer);
    const LayerSnapshot& old = before[layer];
    const LayerSnapshot& now = after[layer];
    EXPECT_EQ(old.pass_counts, now.pass_counts);
    if (old.experts_of_slots != now.experts_of_slots) continue;
    EXPECT_EQ(old.row_begin, now.row_begin);
    EXPECT_EQ(old.slots, now.slots);
    EXPECT_EQ(old.reciprocals, now.reciprocals);
    EXPECT_EQ(old.share_ends, now.share_ends);
    EXPECT_EQ(old.replica_counts, now.replica_counts);
  }
}

}  // namespace eplb
