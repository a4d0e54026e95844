#include "eplb/shuffle/sender_levelling.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

// That no choice is better than by one send is shown on plans, in
// transfer_plan_test.

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::Le;

TEST(SenderLevellingTest, TakesTheRankThatSendsLessInAllLayers) {
  SenderLevelling levelling(/*num_layers=*/2, /*num_ranks=*/3,
                            /*num_active_ranks=*/3);
  levelling.AddForced(0, 1);
  levelling.AddForced(1, 1);
  const int32_t first = levelling.AddChoice(0, {1, 2});
  const int32_t second = levelling.AddChoice(1, {0, 1});
  levelling.Choose();
  EXPECT_EQ(levelling.sender(first), 2);
  EXPECT_EQ(levelling.sender(second), 0);
}

// Taken in order, every choice but the last looks free.
TEST(SenderLevellingTest, HandsChoicesOnAlongAPath) {
  SenderLevelling levelling(/*num_layers=*/1, /*num_ranks=*/8,
                            /*num_active_ranks=*/8);
  std::vector<int32_t> choices;
  for (int i = 0; i < 4; ++i) choices.push_back(levelling.AddChoice(0, {0, 1}));
  for (int i = 0; i < 4; ++i) choices.push_back(levelling.AddChoice(0, {1, 2}));
  for (int i = 0; i < 8; ++i) choices.push_back(levelling.AddChoice(0, {0, 3}));
  levelling.Choose();
  std::vector<int> sends(8);
  for (const int32_t choice : choices) ++sends[levelling.sender(choice)];
  // 16 transfers on 4 ranks are 4 each.
  for (int rank = 0; rank < 4; ++rank) EXPECT_LE(sends[rank], 5);
}

TEST(SenderLevellingTest, SpreadsOverAllLayersWhatOneLayerCannot) {
  constexpr int kLayers = 64;
  SenderLevelling levelling(kLayers, /*num_ranks=*/4, /*num_active_ranks=*/4);
  for (int layer = 0; layer < kLayers; ++layer) {
    levelling.AddChoice(layer, {0, 1, 2, 3});
  }
  levelling.Choose();
  std::vector<int> sends(4);
  for (int choice = 0; choice < kLayers; ++choice) {
    ++sends[levelling.sender(choice)];
  }
  EXPECT_EQ(sends, std::vector<int>(4, kLayers / 4));
}

// Adds choices that, taken in order, leave the last of three ranks too few:
// the first half of the layers gives as many to either of the first two ranks,
// and the second half finds the first and the third.
std::vector<int32_t> AddUnevenChoices(SenderLevelling& levelling,
                                      int num_layers) {
  std::vector<int32_t> choices;
  for (int layer = 0; layer < num_layers; ++layer) {
    choices.push_back(layer < num_layers / 2
                          ? levelling.AddChoice(layer, {0, 1})
                          : levelling.AddChoice(layer, {0, 2}));
  }
  return choices;
}

std::vector<int> SendsOf(const SenderLevelling& levelling,
                         const std::vector<int32_t>& choices, int num_ranks) {
  std::vector<int> sends(num_ranks);
  for (const int32_t choice : choices) ++sends[levelling.sender(choice)];
  return sends;
}

TEST(SenderLevellingTest, LevelsTotalsAfterTheFact) {
  constexpr int kLayers = 60;
  SenderLevelling levelling(kLayers, /*num_ranks=*/3, /*num_active_ranks=*/3);
  const std::vector<int32_t> choices = AddUnevenChoices(levelling, kLayers);
  levelling.Choose();
  // 20 each, of which 1.05 is 21.
  EXPECT_THAT(SendsOf(levelling, choices, 3), Each(Le(21)));
}

// The busiest rank has nothing to hand on: the others are levelled all the
// same.
TEST(SenderLevellingTest, LevelsTheOthersBesideARankOfManyForcedSends) {
  constexpr int kLayers = 60;
  SenderLevelling levelling(kLayers, /*num_ranks=*/4, /*num_active_ranks=*/4);
  for (int layer = 0; layer < 24; ++layer) levelling.AddForced(layer, 3);
  const std::vector<int32_t> choices = AddUnevenChoices(levelling, kLayers);
  levelling.Choose();
  // The mean is 21, of which 1.05 is 22.05.
  EXPECT_THAT(SendsOf(levelling, choices, 4), Each(Le(22)));
}

}  // namespace
}  // namespace eplb
