#include "eplb/shuffle/unit_planner.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Four layers on two ranks of two slots; the third does not change.
class UnitPlannerTest : public ::testing::Test {
 protected:
  absl::StatusOr<ShuffleUnits> Plan(int rank, const UnitLimits& limits) {
    return PlanUnits(before_, after_, topology_, rank, bytes_per_expert_,
                     limits);
  }

  static std::vector<int> Layers(const ShuffleUnit& unit) {
    std::vector<int> layers;
    for (const LayerChange& change : unit.layers) {
      layers.push_back(change.layer);
    }
    return layers;
  }

  const Topology topology_ = *Topology::Uniform(2);
  const Placement before_ = *Placement::Create(
      4, 4, 4, {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3});
  const Placement after_ = *Placement::Create(
      4, 4, 4, {2, 3, 0, 1, 0, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 3});
  const std::vector<size_t> bytes_per_expert_ = {10, 100, 1000, 10000};
};

TEST_F(UnitPlannerTest, MakesOneUnitOfEachLayerThatChanges) {
  EPLB_ASSERT_OK_AND_ASSIGN(const ShuffleUnits units, Plan(0, {.max_rows = 4}));
  ASSERT_THAT(units, SizeIs(3));
  EXPECT_THAT(Layers(*units[0]), ElementsAre(0));
  EXPECT_THAT(Layers(*units[1]), ElementsAre(1));
  EXPECT_THAT(Layers(*units[2]), ElementsAre(3));
  EXPECT_EQ(units[0]->bytes_sent, 20);
  EXPECT_EQ(units[0]->bytes_received, 20);
  EXPECT_EQ(units[0]->bytes_switched, 20);
  EXPECT_EQ(units[2]->bytes_received, 10000);
}

TEST_F(UnitPlannerTest, PutsLayersTogetherWhileStagingHasRoom) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const ShuffleUnits units,
      Plan(0, {.max_rows = 3, .max_switch_bytes = 1'000'000}));
  ASSERT_THAT(units, SizeIs(2));
  EXPECT_THAT(Layers(*units[0]), ElementsAre(0, 1));
  EXPECT_EQ(units[0]->max_staged_rows, 3);
  EXPECT_THAT(Layers(*units[1]), ElementsAre(3));
}

// Layer 0 writes two rows of 10 bytes on both ranks, layer 1 one of 100.
TEST_F(UnitPlannerTest, PutsLayersTogetherWithinWhatASwitchMayWrite) {
  const auto layers_of_units = [&](int64_t max_switch_bytes) {
    const ShuffleUnits units =
        *Plan(0, {.max_rows = 4, .max_switch_bytes = max_switch_bytes});
    std::vector<std::vector<int>> layers;
    for (const auto& unit : units) layers.push_back(Layers(*unit));
    return layers;
  };
  EXPECT_THAT(layers_of_units(119),
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(3)));
  EXPECT_THAT(layers_of_units(120),
              ElementsAre(ElementsAre(0, 1), ElementsAre(3)));
  EXPECT_THAT(layers_of_units(10'120), ElementsAre(ElementsAre(0, 1, 3)));
}

// Rank 1 of two writes more than rank 0, which must cut as rank 1 does.
TEST_F(UnitPlannerTest, CutsByTheBusiestRank) {
  const Placement before =
      *Placement::Create(2, 4, 4, {0, 1, 2, 3, 0, 1, 2, 3});
  const Placement after = *Placement::Create(2, 4, 4, {0, 1, 3, 2, 0, 1, 3, 2});
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_THAT(PlanUnits(before, after, topology_, rank, {10, 10},
                          {.max_rows = 4, .max_switch_bytes = 39}),
                IsOkAndHolds(SizeIs(2)));
    EXPECT_THAT(PlanUnits(before, after, topology_, rank, {10, 10},
                          {.max_rows = 4, .max_switch_bytes = 40}),
                IsOkAndHolds(SizeIs(1)));
  }
}

TEST_F(UnitPlannerTest, CutsALayerThatDoesNotFitIntoPieces) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const ShuffleUnits units,
      Plan(1, {.max_rows = 1, .max_switch_bytes = 1'000'000}));
  // Pieces of layer 0 are alone; the other layers share nothing either.
  ASSERT_THAT(units, SizeIs(4));
  EXPECT_THAT(Layers(*units[0]), ElementsAre(0));
  EXPECT_THAT(Layers(*units[1]), ElementsAre(0));
  EXPECT_EQ(units[0]->layers[0].new_experts, units[1]->layers[0].old_experts);
  for (const auto& unit : units) EXPECT_LE(unit->max_staged_rows, 1);
}

TEST_F(UnitPlannerTest, NamesRanksAsTheChannelsOfTheActiveOnesDo) {
  const Topology topology = *(*Topology::Uniform(3)).WithInactiveRanks({0});
  const Placement before = *Placement::Create(1, 2, 6, {0, 1, 0, -1, 1, -1});
  const Placement after = *Placement::Create(1, 2, 6, {-1, -1, 0, 1, 1, 0});
  EPLB_ASSERT_OK_AND_ASSIGN(
      const ShuffleUnits units,
      PlanUnits(before, after, topology, 2, {10}, {.max_rows = 2}));
  ASSERT_THAT(units, SizeIs(1));
  EXPECT_THAT(units[0]->layers[0].sends, ElementsAre(SlotSend{1, 0, 0}));
  EXPECT_THAT(units[0]->layers[0].receives, ElementsAre(SlotReceive{0, 0, 1}));
}

// A rank that died does not hold the last replica of anything any more.
TEST_F(UnitPlannerTest, TakesNoPieceFromARankThatIsNotThere) {
  const Topology topology = *(*Topology::Uniform(3)).WithInactiveRanks({0});
  const Placement before = *Placement::Create(1, 4, 6, {0, 1, 0, 1, 2, 3});
  const Placement after = *Placement::Create(1, 4, 6, {-1, -1, 2, 3, 0, 1});
  EPLB_ASSERT_OK_AND_ASSIGN(
      const ShuffleUnits units,
      PlanUnits(before, after, topology, 1, {10}, {.max_rows = 1}));
  EXPECT_EQ(units.front()->layers[0].old_experts,
            std::vector<int32_t>({0, 1, 0, 1, 2, 3}));
  for (const auto& unit : units) {
    std::vector<int32_t> live = unit->layers[0].new_experts;
    EPLB_EXPECT_OK(Placement::Create(1, 4, 6, live));
    EXPECT_EQ(live[0], -1);
  }
}

TEST_F(UnitPlannerTest, SaysHowManyBytesALayerNeedsAtLeast) {
  const Placement one = *Placement::Create(1, 2, 2, {0, 1});
  const Placement other = *Placement::Create(1, 2, 2, {1, 0});
  EXPECT_THAT(PlanUnits(one, other, *Topology::Uniform(1), 0, {10},
                        {.max_rows = 1, .row_bytes = 256}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("layer 0: with 1 rows of staging per rank")));
}

}  // namespace
}  // namespace eplb
