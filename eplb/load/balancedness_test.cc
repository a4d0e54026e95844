#include "eplb/load/balancedness.h"

#include <cstdint>
#include <vector>

#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(BalancednessTest, IsTheMeanOverTheMaximumAveragedOverLayersWithTokens) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(2));
  // Layers of 2 ranks: (4, 2), nothing, (5, 5).
  const LoadBalance balance =
      MeasureBalance(RankLoadsOfSlots({1, 3, 0, 2, 0, 0, 0, 0, 5, 0, 0, 5},
                                      /*num_layers=*/3, topology),
                     /*num_layers=*/3, topology);
  EXPECT_THAT(balance.layers, ElementsAre(0.75, 0, 1));
  EXPECT_DOUBLE_EQ(balance.balancedness, 0.875);
  EXPECT_DOUBLE_EQ(balance.avg_tokens, 3 + 5);
  EXPECT_DOUBLE_EQ(balance.max_tokens, 4 + 5);
}

TEST(BalancednessTest, IsZeroWhereNoLayerHadTokens) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(2));
  const LoadBalance balance = MeasureBalance({0, 0, 0, 0}, 2, topology);
  EXPECT_EQ(balance.balancedness, 0);
  EXPECT_EQ(balance.max_tokens, 0);
}

TEST(BalancednessTest, LeavesInactiveRanksOut) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology all, Topology::Uniform(3));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology,
                            all.WithInactiveRanks({1}));
  EXPECT_DOUBLE_EQ(MeasureBalance({6, 0, 2}, 1, topology).balancedness,
                   4.0 / 6);
}

TEST(BalancednessTest, PredictsEqualSharesForTheReplicasOfAnExpert) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(2));
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, /*num_logical_experts=*/3,
                                              /*num_slots=*/4, {0, 1, 2, 0}));
  EXPECT_THAT(
      PredictedRankLoads(std::vector<int64_t>{9, 1, 2}, placement, topology),
      ElementsAre(4.5 + 1, 2 + 4.5));
}

TEST(BalancednessTest, KeepsCountsThatAFloatWouldRound) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(2));
  const int64_t large = (int64_t{1} << 40) + 1;
  EXPECT_THAT(
      RankLoadsOfSlots({large, large - 1}, 1, topology),
      ElementsAre(static_cast<double>(large), static_cast<double>(large - 1)));
}

}  // namespace
}  // namespace eplb
