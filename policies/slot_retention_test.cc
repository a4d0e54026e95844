#include "policies/slot_retention.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Kept(const std::vector<int32_t>& before,
                          std::vector<int32_t> after, int num_experts,
                          int slots_per_rank) {
  const Placement current =
      Placement::Create(1, num_experts, static_cast<int>(before.size()), before)
          .value();
  KeepSlots(current, slots_per_rank, absl::MakeSpan(after));
  return after;
}

TEST(SlotRetentionTest, ExpertsThatStayKeepTheirSlot) {
  EXPECT_THAT(Kept({0, 1, 2, 3}, {1, 0, 3, 2}, 4, 2), ElementsAre(0, 1, 2, 3));
}

TEST(SlotRetentionTest, NewcomersFillTheOtherSlotsInTheirOrder) {
  EXPECT_THAT(Kept({0, 1, 2, 3, 4, 5}, {4, 2, 5, 3, 1, 0}, 6, 3),
              ElementsAre(4, 5, 2, 3, 1, 0));
}

TEST(SlotRetentionTest, OneOfTwoReplicasStays) {
  EXPECT_THAT(Kept({0, 0, 1, 2}, {1, 0, 2, 0}, 3, 2), ElementsAre(0, 1, 0, 2));
}

TEST(SlotRetentionTest, EmptySlotsStayOpenForNewcomers) {
  EXPECT_THAT(Kept({0, -1, 1, 2}, {2, 0, 1, -1}, 3, 2),
              ElementsAre(0, 2, 1, -1));
}

TEST(SlotRetentionTest, CountsSlotsWhoseExpertIsNewToTheRank) {
  EXPECT_EQ(CountMovedSlots({0, 1, 2, 3}, {1, 0, 3, 2}, 2), 0);
  EXPECT_EQ(CountMovedSlots({0, 1, 2, 3}, {2, 0, 3, 1}, 2), 2);
  // A second replica beside the first is copied on the rank, not moved.
  EXPECT_EQ(CountMovedSlots({0, 1, 2, 3}, {0, 0, 3, 1}, 2), 1);
  // Nothing moves into an empty slot.
  EXPECT_EQ(CountMovedSlots({0, 1, 2, 3}, {0, -1, 1, -1}, 2), 1);
}

TEST(SlotRetentionTest, KeepsEveryRanksExpertsAndAsManySlotsAsPossible) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const int num_experts = 1 + random() % 20;
    const int slots_per_rank = 1 + random() % 6;
    const int num_ranks =
        (num_experts + slots_per_rank - 1) / slots_per_rank + random() % 3;
    const int num_slots = num_ranks * slots_per_rank;
    const auto random_row = [&] {
      std::vector<int32_t> row(num_slots);
      for (int slot = 0; slot < num_slots; ++slot) {
        row[slot] = slot < num_experts
                        ? slot
                        : static_cast<int>(random() % (num_experts + 1)) - 1;
      }
      std::shuffle(row.begin(), row.end(), random);
      return row;
    };
    const std::vector<int32_t> before = random_row();
    const std::vector<int32_t> after = random_row();
    const std::vector<int32_t> kept =
        Kept(before, after, num_experts, slots_per_rank);
    for (int begin = 0; begin < num_slots; begin += slots_per_rank) {
      const auto rank = [&](const std::vector<int32_t>& row) {
        std::vector<int32_t> experts(row.begin() + begin,
                                     row.begin() + begin + slots_per_rank);
        return experts;
      };
      EXPECT_THAT(rank(kept),
                  ::testing::UnorderedElementsAreArray(rank(after)));
      // As many slots are unchanged as the rank's experts have in common.
      int unchanged = 0;
      for (int i = 0; i < slots_per_rank; ++i) {
        const int32_t expert = kept[begin + i];
        unchanged += expert >= 0 && expert == before[begin + i];
      }
      int common = 0;
      for (int32_t expert = 0; expert < num_experts; ++expert) {
        const auto held = rank(before);
        const auto holds = rank(after);
        common += std::min(std::count(held.begin(), held.end(), expert),
                           std::count(holds.begin(), holds.end(), expert));
      }
      EXPECT_EQ(unchanged, common);
    }
  }
}

}  // namespace
}  // namespace eplb
