// Groups that grow and shrink. Fresh slots are poisoned, and every weight is
// checked.

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr int kSlotsPerRank = 5;

ModelShape ShapeOn(int num_ranks) {
  return {.num_layers = 3,
          .num_logical_experts = 12,
          .num_redundant_experts = num_ranks * kSlotsPerRank - 12,
          .num_expert_groups = 1};
}

EplbConfig ConfigOn(int num_ranks) {
  EplbConfig config;
  config.window_size = 50;
  config.step_interval = 20;
  config.num_redundant_experts = ShapeOn(num_ranks).num_redundant_experts;
  config.policy = "greedy";
  return config;
}

std::vector<int> FirstRanks(int count) {
  std::vector<int> ranks(count);
  for (int rank = 0; rank < count; ++rank) ranks[rank] = rank;
  return ranks;
}

// Steps with traffic; every row and output is checked after each. The tests'
// own communicator has the members of the state.
absl::Status Serve(TestRank& rank, int num_steps, int phase, uint64_t seed) {
  DeterministicRandom random(seed, static_cast<uint64_t>(rank.state->rank()));
  for (int step = 0; step < num_steps; ++step) {
    EPLB_RETURN_IF_ERROR(rank.Forward(/*num_tokens=*/60, phase, random));
    EPLB_RETURN_IF_ERROR(rank.state->Step());
    EPLB_RETURN_IF_ERROR(rank.CheckRows());
  }
  return absl::OkStatus();
}

// The test's own communicator for a group after a resize; of an epoch that the
// state does not use.
absl::Status ConnectTest(TestRank& rank, uint64_t epoch,
                         const std::vector<int>& members) {
  EPLB_ASSIGN_OR_RETURN(
      rank.control,
      rank.factory.Connect(epoch, members,
                           rank.clock.Now() + std::chrono::minutes(1)));
  return absl::OkStatus();
}

// Serves on `before` ranks, resizes along `mapping`, and serves on.
absl::Status ServeThroughResize(TestRank& rank, const RankMapping& mapping,
                                const std::vector<int>& members, uint64_t epoch,
                                bool stays) {
  const ResizeOptions resize{.rank_mapping = &mapping,
                             .members = {epoch, members}};
  EPLB_RETURN_IF_ERROR(rank.state->Rearrange({.resize = &resize}).status());
  if (!stays) {
    EXPECT_THAT(
        rank.state->Step(),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has left")));
    return absl::OkStatus();
  }
  EPLB_RETURN_IF_ERROR(rank.CheckRows());
  EXPECT_EQ(rank.state->config().num_redundant_experts,
            ShapeOn(mapping.num_new_ranks()).num_redundant_experts);
  EXPECT_EQ(rank.state->placement(0).num_slots(),
            mapping.num_new_ranks() * kSlotsPerRank);
  EPLB_RETURN_IF_ERROR(ConnectTest(rank, epoch + 50, members));
  return absl::OkStatus();
}

absl::Status Join(TestRank& rank, int max_ranks, uint64_t epoch,
                  int num_ranks) {
  EplbConfig config = ConfigOn(num_ranks);
  config.num_redundant_experts = EplbConfig::kAutoRedundantExperts;
  EPLB_RETURN_IF_ERROR(rank.Create(config));
  std::vector<JoiningModel> models;
  models.push_back(
      rank.JoiningEngine("main", ShapeOn(num_ranks), kSlotsPerRank, max_ranks));
  EPLB_RETURN_IF_ERROR(rank.state->ReceiveState(std::move(models)));
  EPLB_RETURN_IF_ERROR(rank.CheckRows());
  return ConnectTest(rank, epoch + 50, FirstRanks(num_ranks));
}

// Grows from `few` to `many` ranks and shrinks back, serving in between.
void GrowAndShrink(int few, int many) {
  SCOPED_TRACE(absl::StrCat(few, " -> ", many, " -> ", few));
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          many, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            std::vector<int> up(few);
            for (int rank = 0; rank < few; ++rank) up[rank] = rank;
            EPLB_ASSIGN_OR_RETURN(const RankMapping growth,
                                  RankMapping::Create(up, many));
            std::vector<int> down(many, RankMapping::kNone);
            for (int rank = 0; rank < few; ++rank) down[rank] = rank;
            EPLB_ASSIGN_OR_RETURN(const RankMapping shrink,
                                  RankMapping::Create(down, few));
            const bool is_old = job_rank < few;
            TestRank rank(factory, clock, FirstRanks(is_old ? few : many),
                          is_old ? 1 : 100);
            if (is_old) {
              EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(few)));
              EPLB_RETURN_IF_ERROR(
                  rank.AddModel("main", ShapeOn(few), {.max_ranks = many}));
              EPLB_RETURN_IF_ERROR(Serve(rank, 30, 0, 1));
              EPLB_RETURN_IF_ERROR(ServeThroughResize(
                  rank, growth, FirstRanks(many), 100, true));
            } else {
              EPLB_RETURN_IF_ERROR(Join(rank, many, 100, many));
            }
            EXPECT_EQ(rank.state->forward_id(), 29);
            EPLB_RETURN_IF_ERROR(Serve(rank, 30, 4, 2));
            EPLB_RETURN_IF_ERROR(
                ServeThroughResize(rank, shrink, FirstRanks(few), 300, is_old));
            return is_old ? Serve(rank, 30, 8, 3) : absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateResizeTest, GrowsToTwiceTheRanksAndShrinksBack) {
  GrowAndShrink(4, 8);
}

TEST(EplbStateResizeTest, GrowsAndShrinksByUnevenNumbers) {
  GrowAndShrink(3, 4);
  GrowAndShrink(3, 7);
  GrowAndShrink(5, 6);
}

TEST(EplbStateResizeTest, TakesExpertsFromRanksInTheMiddleThatLeave) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          5, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                  RankMapping::Create({0, -1, 1, -1, 2}, 3));
            TestRank rank(factory, clock, FirstRanks(5));
            EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(5)));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", ShapeOn(5)));
            EPLB_RETURN_IF_ERROR(Serve(rank, 10, 0, 1));
            const bool stays = job_rank % 2 == 0;
            EPLB_RETURN_IF_ERROR(
                ServeThroughResize(rank, mapping, {0, 2, 4}, 100, stays));
            return stays ? Serve(rank, 30, 2, 2) : absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateResizeTest, SendsOldPlacementAndLoadsWithoutMoving) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          4, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                  RankMapping::Create({0, 1, 2}, 4));
            if (job_rank == 3) {
              TestRank rank(factory, clock, FirstRanks(4), 100);
              EPLB_RETURN_IF_ERROR(Join(rank, 4, 100, 4));
              EXPECT_EQ(rank.state->placement(0).expert_of_slot(0, 15),
                        Placement::kEmptySlot);
              EPLB_RETURN_IF_ERROR(rank.state->Rearrange().status());
              EXPECT_NE(rank.state->placement(0).expert_of_slot(0, 15),
                        Placement::kEmptySlot);
              return rank.CheckRows();
            }
            TestRank rank(factory, clock, FirstRanks(3));
            EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
            EPLB_RETURN_IF_ERROR(
                rank.AddModel("main", ShapeOn(3), {.max_ranks = 4}));
            rank.state->layer_view(0, 0).pass_counts[2] = 7;
            EPLB_RETURN_IF_ERROR(rank.state->Step());
            const ResizeOptions resize{.rank_mapping = &mapping,
                                       .members = {100, FirstRanks(4)}};
            EPLB_ASSIGN_OR_RETURN(
                const std::vector<ExpertLoads> loads,
                rank.state->Rearrange(
                    {.execute_shuffle = false, .resize = &resize}));
            EXPECT_EQ(loads[0].at(0, 2), 3 * 7);
            EPLB_RETURN_IF_ERROR(ConnectTest(rank, 150, FirstRanks(4)));
            EPLB_RETURN_IF_ERROR(rank.CheckRows());
            EPLB_RETURN_IF_ERROR(rank.state->Rearrange().status());
            return rank.CheckRows();
          }),
      Each(IsOk()));
}

TEST(EplbStateResizeTest, RefusesMappingsThatNeitherGrowNorShrink) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(3, clock,
                  [&](int, CommunicatorFactory& factory) -> absl::Status {
                    TestRank rank(factory, clock, FirstRanks(3));
                    EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
                    EPLB_RETURN_IF_ERROR(rank.AddModel("main", ShapeOn(3)));
                    for (const auto& [up, count] :
                         std::vector<std::pair<std::vector<int>, int>>{
                             {{0, 1, 2}, 3},      // Stays the same.
                             {{2, 0, 1}, 3},      // Only changes places.
                             {{0, 1}, 4},         // Not the present ranks.
                             {{0, 1, -1}, 4},     // Both ways.
                             {{0, -1, -1}, 2},    // Both ways.
                             {{0, 1, 2, -1}, 3},  // More ranks than there are.
                         }) {
                      EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                            RankMapping::Create(up, count));
                      const ResizeOptions resize{
                          .rank_mapping = &mapping,
                          .members = {100, FirstRanks(count)}};
                      EXPECT_THAT(rank.state->Rearrange({.resize = &resize}),
                                  StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("rank mapping")));
                    }
                    return Serve(rank, 5, 0, 1);
                  }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
