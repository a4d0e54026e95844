#include "eplb/shuffle/layer_pieces.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int32_t> RandomExperts(DeterministicRandom& random, int num_slots,
                                   int num_experts) {
  std::vector<int32_t> experts(num_slots);
  for (int slot = 0; slot < num_slots; ++slot) {
    experts[slot] =
        slot < num_experts
            ? slot
            : static_cast<int>(random.NextBelow(num_experts + 1)) - 1;
  }
  for (int i = num_slots; i > 1; --i) {
    std::swap(experts[i - 1], experts[random.NextBelow(i)]);
  }
  return experts;
}

TEST(LayerPiecesTest, GoesFromOneValidPlacementToTheNext) {
  int with_one_row = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    DeterministicRandom random(seed);
    const int num_ranks = 1 + random.NextBelow(6);
    const int width = 1 + random.NextBelow(5);
    const int num_slots = num_ranks * width;
    const int num_experts = 1 + random.NextBelow(num_slots);
    const int rows = 1 + random.NextBelow(4);
    const std::vector<int32_t> before =
        RandomExperts(random, num_slots, num_experts);
    const std::vector<int32_t> after =
        RandomExperts(random, num_slots, num_experts);
    const auto pieces = LayerPieces(before, after, num_experts, width, rows);
    if (rows == 1 && !pieces.ok()) {
      EXPECT_THAT(pieces, StatusIs(absl::StatusCode::kResourceExhausted));
      continue;
    }
    EPLB_ASSERT_OK(pieces);
    with_one_row += rows == 1;
    std::vector<int32_t> now = before;
    for (const std::vector<int32_t>& next : *pieces) {
      // Creating it checks that every expert has a slot.
      EPLB_ASSERT_OK(Placement::Create(1, num_experts, num_slots, next));
      for (int rank = 0; rank < num_ranks; ++rank) {
        int changed = 0;
        for (int slot = rank * width; slot < (rank + 1) * width; ++slot) {
          if (next[slot] != now[slot] && next[slot] != Placement::kEmptySlot) {
            ++changed;
          }
        }
        ASSERT_LE(changed, rows);
      }
      ASSERT_NE(next, now);
      now = next;
    }
    ASSERT_EQ(now, after);
  }
  EXPECT_GT(with_one_row, 100);
}

TEST(LayerPiecesTest, TakesOneStepWhereEverythingFits) {
  EPLB_ASSERT_OK_AND_ASSIGN(const auto pieces,
                            LayerPieces({0, 1, 2, 3}, {3, 1, 2, 0}, 4, 2, 1));
  EXPECT_THAT(pieces, ElementsAre(std::vector<int32_t>({3, 1, 2, 0})));
}

TEST(LayerPiecesTest, RefusesALocalSwapWithOneRow) {
  EXPECT_THAT(LayerPieces({0, 1}, {1, 0}, 2, 2, 1),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("with 1 rows of staging per rank")));
  EPLB_EXPECT_OK(LayerPieces({0, 1}, {1, 0}, 2, 2, 2));
}

}  // namespace
}  // namespace eplb
