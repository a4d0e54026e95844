#include "tools/simulation/placement_replay.h"

#include <vector>

#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// Expert 0 of layer 0 has a replica on each of the two ranks.
Placement TwoLayers() {
  return *Placement::Create(/*num_layers=*/2, /*num_logical_experts=*/3,
                            /*num_slots=*/4, {0, 1, 2, 0, 0, 1, 2, 2});
}

TEST(PlacementReplayTest, SharesLoadsAmongReplicas) {
  PlacementReplay replay(TwoLayers(), /*num_ranks=*/2);
  // Layer 0: ranks have 4 + 2 and 1 + 4; layer 1: 3 and 6.
  EXPECT_DOUBLE_EQ(replay.Step({8, 2, 1, 1, 2, 6}), (5.5 / 6 + 4.5 / 6) / 2);
  EXPECT_THAT(replay.rank_loads(), ElementsAre(6, 5, 3, 6));
}

TEST(PlacementReplayTest, AddsTheStepsUp) {
  PlacementReplay replay(TwoLayers(), /*num_ranks=*/2);
  replay.Step({8, 2, 1, 1, 2, 6});
  replay.Step({2, 0, 0, 0, 1, 0});
  EXPECT_THAT(replay.rank_loads(), ElementsAre(7, 6, 4, 6));
}

TEST(PlacementReplayTest, LeavesLayersWithoutLoadOutOfTheMean) {
  PlacementReplay replay(TwoLayers(), /*num_ranks=*/2);
  EXPECT_DOUBLE_EQ(replay.Step({0, 0, 0, 1, 2, 6}), 4.5 / 6);
  EXPECT_EQ(replay.Step({0, 0, 0, 0, 0, 0}), 0);
}

TEST(PlacementReplayTest, EvenLoadsAreBalanced) {
  PlacementReplay replay(TwoLayers(), /*num_ranks=*/1);
  EXPECT_EQ(replay.Step({8, 2, 1, 1, 2, 6}), 1);
  EXPECT_THAT(replay.rank_loads(), ElementsAre(11, 9));
}

TEST(PlacementReplayTest, StartsFromNothing) {
  EXPECT_THAT(PlacementReplay(TwoLayers(), /*num_ranks=*/4).rank_loads(),
              Each(0));
}

}  // namespace
}  // namespace eplb
