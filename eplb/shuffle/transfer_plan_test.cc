#include "eplb/shuffle/transfer_plan.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Placement Make(int num_experts, std::vector<int32_t> experts) {
  const int num_slots = experts.size();
  return *Placement::Create(1, num_experts, num_slots, std::move(experts));
}

TEST(TransferPlanTest, SavesTheSourcesOfALocalSwap) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const TransferPlan plan,
      TransferPlan::Create(Make(2, {0, 1}), Make(2, {1, 0}),
                           *Topology::Uniform(1), 0));
  EXPECT_THAT(plan.transfers(0).copies,
              ElementsAre(SlotCopy{1, 1, 0, true}, SlotCopy{0, 0, 1, true}));
  EXPECT_EQ(plan.max_staged_rows(0), 2);
}

TEST(TransferPlanTest, CopiesFromASlotThatKeepsItsExpert) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const TransferPlan plan,
      TransferPlan::Create(Make(2, {0, 0, 1, 1}), Make(2, {1, 0, 0, 1}),
                           *Topology::Uniform(1), 0));
  EXPECT_THAT(plan.transfers(0).copies,
              ElementsAre(SlotCopy{1, 3, 0, false}, SlotCopy{0, 1, 2, false}));
}

TEST(TransferPlanTest, ReceivesOnceAndFansOut) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const TransferPlan plan,
      TransferPlan::Create(Make(2, {0, 0, 1, 1}), Make(2, {0, 1, 0, 0}),
                           *Topology::Uniform(2), 1));
  EXPECT_THAT(plan.transfers(0).receives, ElementsAre(SlotReceive{0, 0, 0}));
  EXPECT_THAT(plan.transfers(0).fan_outs, ElementsAre(SlotFanOut{0, 1}));
  EXPECT_THAT(plan.transfers(0).sends, ElementsAre(SlotSend{1, 0, 0}));
}

TEST(TransferPlanTest, MovesNothingWhereNothingChanges) {
  const Placement placement = Make(2, {0, 1, 1, -1});
  EPLB_ASSERT_OK_AND_ASSIGN(
      const TransferPlan plan,
      TransferPlan::Create(placement, placement, *Topology::Uniform(2), 0));
  EXPECT_FALSE(plan.changes(0));
  EXPECT_THAT(plan.transfers(0).sends, IsEmpty());
  EXPECT_THAT(plan.transfers(0).receives, IsEmpty());
}

TEST(TransferPlanTest, NamesAnExpertThatNoActiveRankHolds) {
  const Topology topology = *(*Topology::Uniform(3)).WithInactiveRanks({1});
  EXPECT_THAT(
      TransferPlan::Create(Make(3, {0, 1, 2}), Make(3, {0, 1, 2}), topology, 0),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expert 1 on rank 1, which is inactive")));
  EXPECT_THAT(
      TransferPlan::Create(Make(2, {0, -1, 1, -1, -1, -1}),
                           Make(2, {0, 1, -1, -1, -1, -1}), topology, 0),
      StatusIs(absl::StatusCode::kDataLoss,
               HasSubstr("layer 0: no active rank holds expert 1")));
}

TEST(TransferPlanTest, RefusesSizesThatDoNotFit) {
  const Placement placement = Make(2, {0, 1, 1});
  const Topology two = *Topology::Uniform(2);
  EXPECT_THAT(TransferPlan::Create(placement, placement, two, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("3 slots do not divide by 2 ranks")));
  const Placement wider = Make(2, {0, 1, 1, 1});
  EXPECT_THAT(TransferPlan::Create(placement, wider, two, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("2 experts in 3 slots")));
  EXPECT_THAT(TransferPlan::Create(wider, wider, two, 2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("rank 2 is not in [0, 2)")));
}

TEST(PlacementInGroupTest, PutsTheOldSlotsWhereTheirRanksComeToBe) {
  const RankMapping growth = *RankMapping::Create({2, 0}, 3);
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            PlacementInGroup(Make(3, {0, 1, 2, 0}), growth));
  EXPECT_THAT(placement.experts_of_slots(0), ElementsAre(2, 0, -1, -1, 0, 1));
}

TEST(PlacementInGroupTest, EmptiesTheRanksThatLeave) {
  const RankMapping shrink = *RankMapping::Create({1, -1, 0}, 2);
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            PlacementInGroup(Make(3, {0, 1, 2, 0}), shrink));
  EXPECT_THAT(placement.experts_of_slots(0), ElementsAre(2, 0, -1, -1, 0, 1));
}

TEST(PlacementInGroupTest, RefusesAResizeBothWays) {
  const RankMapping both = *RankMapping::Create({0, -1}, 2);
  EXPECT_THAT(
      PlacementInGroup(Make(2, {0, 1}), both),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not both")));
}

}  // namespace
}  // namespace eplb
