#include "eplb/shuffle/weight_shuffler.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_group_test.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// One layer of a rank's weights in a row of staging.
constexpr size_t kRowBytes = 1024 + 256;

Placement Make(int num_experts, int num_slots, std::vector<int32_t> experts) {
  const int num_layers = experts.size() / num_slots;
  return *Placement::Create(num_layers, num_experts, num_slots,
                            std::move(experts));
}

// Moves all ranks from what they hold to `next`, in a new epoch.
void ShuffleAll(ShuffleGroup& group, const Placement& next, uint64_t epoch) {
  ShuffleGroup::Run(group.all_ranks(), [&](int r) {
    ShuffleRank& rank = group.rank(r);
    const ShuffleChannels channels = group.Connect(r, epoch, group.all_ranks());
    EPLB_ASSERT_OK_AND_ASSIGN(
        const ShuffleUnits units,
        rank.shuffler->Plan(next, *Topology::Uniform(group.num_ranks()), r));
    const ShuffleResult result = ShuffleNow(
        *rank.shuffler, units, /*forward_id=*/1, channels, *rank.stream,
        [&](const ShuffleUnit& unit) { return rank.Publish(unit); });
    EPLB_EXPECT_OK(result.status);
    EXPECT_EQ(result.units_switched, units.size());
  });
  for (int r = 0; r < group.num_ranks(); ++r) {
    for (int layer = 0; layer < next.num_layers(); ++layer) {
      EXPECT_TRUE(group.Holds(r, layer, next))
          << "rank " << r << ", layer " << layer;
    }
  }
}

struct Variant {
  const char* name;
  ShuffleOptions options;
  MemorySpace space = MemorySpace::kHost;
};

class WeightShufflerVariantTest : public ::testing::TestWithParam<Variant> {};

TEST_P(WeightShufflerVariantTest, BringsEverySlotTheBytesOfItsExpert) {
  int64_t total_units = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    DeterministicRandom random(seed);
    const int num_ranks = 1 + random.NextBelow(5);
    const int num_slots = num_ranks * (1 + random.NextBelow(4));
    const int num_experts = 1 + random.NextBelow(num_slots);
    const int num_layers = 1 + random.NextBelow(3);
    ShuffleGroup group(
        num_ranks, RandomPlacement(random, num_layers, num_experts, num_slots));
    group.CreateRanks(GetParam().options, {{.memory_space = GetParam().space}});
    for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
      ShuffleAll(group,
                 RandomPlacement(random, num_layers, num_experts, num_slots),
                 epoch);
      if (HasFailure()) return;
    }
    total_units += group.rank(0).shuffler->generation(0);
  }
  EXPECT_GT(total_units, 40);
}

INSTANTIATE_TEST_SUITE_P(
    All, WeightShufflerVariantTest,
    ::testing::Values(Variant{"Default", {}},
                      Variant{"Checksums", {.verify_checksums = true}},
                      Variant{"Pieces", {.staging_bytes = 2 * kRowBytes}},
                      Variant{"SeveralLayers",
                              {.staging_bytes = 64 * kRowBytes,
                               .max_switch_bytes_per_unit = 6 * kRowBytes}},
                      Variant{"DeviceThroughHost",
                              {.verify_checksums = true},
                              MemorySpace::kDevice}),
    [](const auto& info) { return info.param.name; });

// Three ranks of two slots, one layer unless said otherwise.
class WeightShufflerTest : public ::testing::Test {
 protected:
  static constexpr int kRanks = 3;

  void Create(const ShuffleOptions& options = {}) {
    group_.CreateRanks(options);
  }

  // Runs `body(rank, its channels, its units to after_)` on every rank.
  template <typename Body>
  void Run(uint64_t epoch, Body body) {
    ShuffleGroup::Run(group_.all_ranks(), [&](int r) {
      ShuffleRank& rank = group_.rank(r);
      const ShuffleChannels channels =
          group_.Connect(r, epoch, group_.all_ranks());
      EPLB_ASSERT_OK_AND_ASSIGN(const ShuffleUnits units,
                                rank.shuffler->Plan(after_, topology_, r));
      body(r, rank, channels, units);
    });
  }

  void ExpectAll(const Placement& placement) {
    for (int r = 0; r < kRanks; ++r) {
      for (int layer = 0; layer < placement.num_layers(); ++layer) {
        EXPECT_TRUE(group_.Holds(r, layer, placement))
            << "rank " << r << ", layer " << layer;
      }
    }
  }

  const Topology topology_ = *Topology::Uniform(kRanks);
  const Placement before_ = Make(5, 6, {0, 1, 2, 3, 4, 0, 4, 3, 2, 1, 0, -1});
  const Placement after_ = Make(5, 6, {1, 2, 3, 0, 0, 4, 0, 1, 2, 3, 4, 4});
  ShuffleGroup group_{kRanks, before_};
};

TEST_F(WeightShufflerTest, OnlyReadsLiveWeightsBeforeTheSwitch) {
  Create();
  std::atomic<int> unchanged = 0;
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    const std::vector<std::byte> live = rank.weights->memory();
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Vote(*units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Commit(*units[0], 3, channels));
    unchanged += rank.weights->memory() == live;
  });
  EXPECT_EQ(unchanged, kRanks);
}

TEST_F(WeightShufflerTest, CommitsAtTheLatestFenceOfAllRanks) {
  Create();
  Run(1, [&](int r, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Vote(*units[0], channels));
    EXPECT_THAT(rank.shuffler->Commit(*units[0], 10 + r, channels),
                IsOkAndHolds(12));
  });
}

TEST_F(WeightShufflerTest, SwitchesALayerLaterThanBefore) {
  Create({.staging_bytes = 2 * kRowBytes});
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    std::vector<int64_t> last_step(2, 0);
    for (const auto& unit : units) {
      EPLB_ASSERT_OK(rank.shuffler->Stage(unit, channels));
      EPLB_ASSERT_OK(rank.shuffler->Vote(*unit, channels));
      EPLB_ASSERT_OK_AND_ASSIGN(const int64_t step,
                                rank.shuffler->Commit(*unit, 5, channels));
      int64_t& last = last_step[unit->layers[0].layer];
      EXPECT_GT(step, last);
      last = step;
      EPLB_ASSERT_OK(rank.shuffler->Switch(
          *unit, *rank.stream,
          [&](const ShuffleUnit& u) { return rank.Publish(u); }));
    }
  });
  ExpectAll(after_);
}

TEST_F(WeightShufflerTest, StagesLayersAheadOfTheirSwitch) {
  Create({.staging_bytes = 4 * kRowBytes});
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    ASSERT_EQ(units.size(), 2);
    for (const auto& unit : units) {
      EPLB_ASSERT_OK(rank.shuffler->Stage(unit, channels));
    }
    for (const auto& unit : units) {
      EPLB_ASSERT_OK(rank.shuffler->Vote(*unit, channels));
      EPLB_ASSERT_OK(rank.shuffler->Commit(*unit, 1, channels));
    }
    EXPECT_LT(rank.shuffler->free_staging_rows(), 4);
    for (const auto& unit : units) {
      EPLB_ASSERT_OK(rank.shuffler->Switch(
          *unit, *rank.stream,
          [&](const ShuffleUnit& u) { return rank.Publish(u); }));
    }
    EXPECT_EQ(rank.shuffler->free_staging_rows(), 4);
  });
  ExpectAll(after_);
}

TEST_F(WeightShufflerTest, KeepsOldWeightsWhenOneRankHasNoRoom) {
  Create();
  Run(1, [&](int r, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    // The second unit finds no staging free, on no rank.
    EXPECT_THAT(rank.shuffler->Stage(units[1], channels),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr("layer 1: 2 rows of staging are needed")));
    EXPECT_FALSE(rank.shuffler->Vote(*units[1], channels).ok());
    // The first goes on.
    EPLB_ASSERT_OK(rank.shuffler->Vote(*units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Commit(*units[0], 0, channels));
    EPLB_ASSERT_OK(rank.shuffler->Switch(
        *units[0], *rank.stream,
        [&](const ShuffleUnit& u) { return rank.Publish(u); }));
    EXPECT_TRUE(group_.Holds(r, 0, after_));
    EXPECT_TRUE(group_.Holds(r, 1, before_));
  });
}

// The second would be planned from what the first is about to replace.
TEST_F(WeightShufflerTest, TakesOneUnitOfALayerAtATime) {
  Create({.staging_bytes = 4 * kRowBytes});
  Run(1, [&](int r, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    const ShuffleUnits again = *rank.shuffler->Plan(after_, topology_, r);
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Vote(*units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Commit(*units[0], 0, channels));
    EXPECT_THAT(rank.shuffler->Stage(again[0], channels),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("layer 0: another unit of the layer")));
    EXPECT_FALSE(rank.shuffler->Vote(*again[0], channels).ok());
    EPLB_ASSERT_OK(rank.shuffler->Switch(
        *units[0], *rank.stream,
        [&](const ShuffleUnit& u) { return rank.Publish(u); }));
    // And now it holds something else.
    EXPECT_THAT(rank.shuffler->Stage(again[0], channels),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("does not hold what the unit was planned")));
    EXPECT_FALSE(rank.shuffler->Vote(*again[0], channels).ok());
  });
}

TEST_F(WeightShufflerTest, NamesTheRankThatIsNotReady) {
  Create();
  // Rank 1 thinks its weights were loaded anew.
  EPLB_ASSERT_OK(group_.rank(1).shuffler->Adopt(before_, 9));
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    EXPECT_THAT(
        rank.shuffler->Stage(units[0], channels),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 AllOf(HasSubstr("installed placement"), HasSubstr("rank 1"))));
    EXPECT_FALSE(rank.shuffler->Vote(*units[0], channels).ok());
  });
  ExpectAll(before_);
}

TEST_F(WeightShufflerTest, DropsWhatWasStagedAndFreesItsRows) {
  Create();
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    rank.shuffler->DropAllStaged();
    EXPECT_EQ(rank.shuffler->free_staging_rows(), 2);
    EXPECT_THAT(rank.shuffler->Vote(*units[0], channels),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("cannot be voted on")));
  });
  ExpectAll(before_);
}

// Somebody may still write to what a failed exchange was to fill.
TEST_F(WeightShufflerTest, KeepsRowsOfAFailedExchangeUntilItsChannelIsGone) {
  Create();
  ShuffleGroup::Run(group_.all_ranks(), [&](int r) {
    ShuffleRank& rank = group_.rank(r);
    ChannelFaults faults;
    if (r == 1) faults.data = {{.kind = Fault::Kind::kFailDuring}};
    ShuffleChannels channels = group_.Connect(r, 1, group_.all_ranks(), faults);
    EPLB_ASSERT_OK_AND_ASSIGN(const ShuffleUnits units,
                              rank.shuffler->Plan(after_, topology_, r));
    // The others have their rows, until the vote.
    EXPECT_EQ(rank.shuffler->Stage(units[0], channels).ok(), r != 1);
    EXPECT_FALSE(rank.shuffler->Vote(*units[0], channels).ok());
    EXPECT_EQ(rank.shuffler->free_staging_rows(), r == 1 ? 0 : 2);
    channels.data.reset();
    EXPECT_EQ(rank.shuffler->free_staging_rows(), 2);
  });
  ExpectAll(before_);
}

TEST_F(WeightShufflerTest, SaysForEverThatASwitchHasFailed) {
  Create();
  std::atomic<int> fatal = 0;
  Run(1, [&](int r, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    const ShuffleResult result = ShuffleNow(
        *rank.shuffler, units, 1, channels, *rank.stream,
        [&](const ShuffleUnit&) {
          return r == 1 ? absl::InternalError("no table") : absl::OkStatus();
        });
    EXPECT_FALSE(result.status.ok());
    if (r != 1) return;
    EXPECT_THAT(rank.shuffler->Stage(units[0], channels),
                StatusIs(absl::StatusCode::kInternal,
                         AllOf(HasSubstr("committed but not switched"),
                               HasSubstr("no table"))));
    ++fatal;
  });
  EXPECT_EQ(fatal, 1);
}

TEST_F(WeightShufflerTest, ForgetsACommittedUnitWhoseWeightsWereRewritten) {
  Create();
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits& units) {
    EPLB_ASSERT_OK(rank.shuffler->Stage(units[0], channels));
    EXPECT_THAT(rank.shuffler->Withdraw(*units[0]),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("cannot be withdrawn")));
    EPLB_ASSERT_OK(rank.shuffler->Vote(*units[0], channels));
    EPLB_ASSERT_OK(rank.shuffler->Commit(*units[0], 3, channels));
    EPLB_ASSERT_OK(rank.shuffler->Withdraw(*units[0]));
    EXPECT_EQ(rank.shuffler->free_staging_rows(), 2);
  });
  ExpectAll(before_);
  ShuffleAll(group_, after_, 2);
}

TEST_F(WeightShufflerTest, ProfileExchangesAsMuchAsFitsAndChangesNothing) {
  Create({.staging_bytes = 4 * kRowBytes, .verify_checksums = true});
  std::atomic<int> unchanged = 0;
  Run(1, [&](int, ShuffleRank& rank, const ShuffleChannels& channels,
             const ShuffleUnits&) {
    const std::vector<std::byte> live = rank.weights->memory();
    EPLB_EXPECT_OK(rank.shuffler->Profile(channels));
    unchanged += rank.weights->memory() == live;
    EXPECT_EQ(rank.shuffler->free_staging_rows(), 4);
    EXPECT_EQ(rank.shuffler->generation(0), 0);
  });
  EXPECT_EQ(unchanged, kRanks);
  ShuffleAll(group_, after_, 2);
}

TEST_F(WeightShufflerTest, RefusesToPlanWhatNoOrderOfPiecesCanDo) {
  ShuffleGroup group(1, Make(2, 2, {0, 1}));
  group.CreateRanks({.staging_bytes = kRowBytes});
  EXPECT_THAT(group.rank(0).shuffler->Plan(Make(2, 2, {1, 0}),
                                           *Topology::Uniform(1), 0),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("layer 0"), HasSubstr("2560 bytes"))));
}

TEST_F(WeightShufflerTest, RefusesStagingForLessThanOneExpert) {
  Create();
  ShuffleRank& rank = group_.rank(0);
  EXPECT_THAT(
      WeightShuffler::Create(rank.weights->weights(), before_, *rank.device,
                             group_.clock(), {.staging_bytes = 1000})
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("one expert needs 1280")));
}

// A growth from one rank to three and back, with fresh slots poisoned.
TEST_F(WeightShufflerTest, FollowsAGroupThatGrowsAndShrinks) {
  const Placement small = Make(2, 6, {0, 1, -1, -1, -1, -1});
  ShuffleGroup group(3, small);
  group.CreateRanks({});
  ShuffleAll(group, Make(2, 6, {1, 0, 0, 0, 1, 0}), 1);
  ShuffleAll(group, Make(2, 6, {-1, -1, -1, -1, 0, 1}), 2);
}

}  // namespace
}  // namespace eplb
