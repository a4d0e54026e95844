#include "tools/run/slot_weights.h"

#include <cstddef>
#include <vector>

#include "eplb/core/placement.h"
#include "eplb/shuffle/expert_weights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SlotWeightsTest : public ::testing::Test {
 protected:
  // Two ranks of two slots.
  SlotWeightsTest() { weights_.Fill(placement_, /*rank=*/1); }

  const ExpertModel model_{{.num_layers = 2,
                            .num_logical_experts = 3,
                            .expert_bytes = 1024,
                            .seed = 1}};
  const Placement placement_ =
      *Placement::Create(2, 3, 4, {0, 1, 2, 0, 2, 1, 0, 1});
  SlotWeights weights_{model_, /*slots_per_rank=*/2};
};

TEST_F(SlotWeightsTest, EverySlotOfTheRankHoldsItsExpert) {
  for (int layer = 0; layer < 2; ++layer) {
    for (int slot = 0; slot < 2; ++slot) {
      EXPECT_THAT(weights_.WhatIsWrong(
                      layer, slot, placement_.expert_of_slot(layer, 2 + slot)),
                  IsEmpty());
    }
  }
  EXPECT_THAT(weights_.WhatIsWrong(0, 0, 1), HasSubstr("expert 2's"));
}

TEST_F(SlotWeightsTest, WhatTheBalancerWritesIsInTheSlots) {
  const auto view = weights_.View();
  ASSERT_THAT(view, IsOk());
  EXPECT_EQ(view->num_layers(), 2);
  EXPECT_EQ(view->num_local_slots(), 2);
  EXPECT_EQ(view->bytes_per_expert(1), 1024u);
  view->row(1, /*tensor=*/0, /*slot=*/1)[17] ^= std::byte{1};
  EXPECT_THAT(weights_.WhatIsWrong(1, 1, 1), HasSubstr("byte 17"));
  EXPECT_THAT(weights_.WhatIsWrong(1, 0, 0), IsEmpty());
  EXPECT_THAT(weights_.WhatIsWrong(0, 1, 0), IsEmpty());
}

TEST_F(SlotWeightsTest, ASliceIsOfTheSlotsOwnBytes) {
  const auto view = weights_.View();
  ASSERT_THAT(view, IsOk());
  const MatrixOffsets offsets = MatrixOffsetsFor(5, model_.weight_bytes());
  const ExpertSlice slice = weights_.Slice(1, 1, 5);
  EXPECT_EQ(slice.up, view->row(1, 0, 1) + offsets.up);
  EXPECT_EQ(slice.down, view->row(1, 0, 1) + offsets.down);
  EXPECT_EQ(slice.scales, view->row(1, 1, 1));
}

}  // namespace
}  // namespace eplb
