#include "tools/rank_loads.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(RankLoadsTest, BalancednessIsTheMeanOverTheLargest) {
  EXPECT_DOUBLE_EQ(Balancedness({4, 2, 0, 2}), 0.5);
  EXPECT_EQ(Balancedness({3, 3}), 1);
  EXPECT_EQ(Balancedness({7}), 1);
}

TEST(RankLoadsTest, BalancednessOfNoLoadIsZero) {
  EXPECT_EQ(Balancedness({0, 0, 0}), 0);
}

TEST(RankLoadsTest, BalancednessNeverPassesOneByRounding) {
  for (int ranks = 1; ranks < 200; ++ranks) {
    const std::vector<double> loads(ranks, 1.0 / 3);
    EXPECT_LE(Balancedness(loads), 1) << ranks;
    EXPECT_GT(Balancedness(loads), 1 - 1e-12) << ranks;
  }
}

TEST(RankLoadsTest, TheMeanLeavesLayersWithoutLoadOut) {
  EXPECT_DOUBLE_EQ(MeanBalancedness({4, 2, 0, 0, 1, 1}, 2), (0.75 + 1) / 2);
  EXPECT_EQ(MeanBalancedness({0, 0, 0, 0}, 2), 0);
}

TEST(RankLoadsTest, SumsTheSlotsOfManyLayers) {
  std::vector<double> ranks(4);
  SumSlotsByRank({1, 2, 3, 4, 5, 6, 7, 8}, absl::MakeSpan(ranks));
  EXPECT_THAT(ranks, ElementsAre(3, 7, 11, 15));
}

TEST(RankLoadsTest, SumsTheSlotsOfEachRank) {
  std::vector<double> ranks = {9, 9, 9};
  SumSlotsByRank({1, 2, 3, 4, 5, 6}, absl::MakeSpan(ranks));
  EXPECT_THAT(ranks, ElementsAre(3, 7, 11));
}

}  // namespace
}  // namespace eplb
