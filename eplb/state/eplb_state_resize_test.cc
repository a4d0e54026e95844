// Groups that grow and shrink. Fresh slots are poisoned, and every weight is
// checked.

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
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
#include "eplb/state/state_test_resize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

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

TEST(EplbStateResizeTest, GoesOnWithTwoModelsAndTheDumpWhenRankZeroLeaves) {
  const TemporaryFolder folder;
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          3, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                  RankMapping::Create({-1, 0, 1}, 2));
            TestRank rank(factory, clock, FirstRanks(3));
            EplbConfig config = ConfigOn(3);
            ModelShape shape = ShapeOn(3);
            shape.num_logical_experts = 10;
            shape.num_redundant_experts = 5;
            config.num_redundant_experts = 5;
            config.log_balancedness = true;
            config.expert_load_dump_dir = folder.path();
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", shape));
            shape.num_layers = 1;
            EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", shape));
            EPLB_RETURN_IF_ERROR(Serve(rank, 10, 0, 1));
            const ResizeOptions resize{.rank_mapping = &mapping,
                                       .members = {100, {1, 2}}};
            EPLB_RETURN_IF_ERROR(
                rank.state->Rearrange({.resize = &resize}).status());
            if (job_rank == 0) return absl::OkStatus();
            EXPECT_EQ(rank.state->rank(), job_rank - 1);
            EPLB_RETURN_IF_ERROR(ConnectTest(rank, 150, {1, 2}));
            return Serve(rank, 10, 2, 2);
          }),
      Each(IsOk()));
  for (const std::string model : {"main", "drafter"}) {
    std::ifstream dump(folder.path() + "/" + model + "_expert_load.jsonl");
    std::vector<int> world_sizes;
    for (std::string line; std::getline(dump, line);) {
      world_sizes.push_back(absl::StrContains(line, "\"world_size\":3") ? 3
                                                                        : 2);
      EXPECT_TRUE(absl::StrContains(
          line, absl::StrCat("\"world_size\":", world_sizes.back())));
    }
    std::vector<int> expected(10, 3);
    expected.resize(20, 2);
    EXPECT_EQ(world_sizes, expected) << model;
  }
}

// Experts 11 and 4 have nearly all tokens of the two models.
std::vector<ExpertLoads> LoadsOfTwoModels() {
  std::vector<ExpertLoads> loads;
  for (const int hot : {11, 4}) {
    std::vector<int64_t> values(3 * 12, 1);
    for (int layer = 0; layer < 3; ++layer) values[layer * 12 + hot] = 1000;
    loads.push_back(*ExpertLoads::Create(3, 12, std::move(values)));
  }
  return loads;
}

TEST(EplbStateResizeTest, GrowsTwoModelsByLoadsThatAreGiven) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          4, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            // The rank that joins comes to be in the middle.
            EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                  RankMapping::Create({0, 1, 3}, 4));
            const bool is_old = job_rank != 2;
            TestRank rank(factory, clock,
                          is_old ? std::vector<int>{0, 1, 3} : FirstRanks(4),
                          is_old ? 1 : 100);
            if (is_old) {
              EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
              for (const std::string model : {"main", "drafter"}) {
                EPLB_RETURN_IF_ERROR(
                    rank.AddModel(model, ShapeOn(3), {.max_ranks = 4}));
              }
              const ResizeOptions resize{.rank_mapping = &mapping,
                                         .members = {100, FirstRanks(4)}};
              EPLB_RETURN_IF_ERROR(
                  rank.state
                      ->Rearrange({.global_loads = LoadsOfTwoModels(),
                                   .resize = &resize})
                      .status());
              EPLB_RETURN_IF_ERROR(ConnectTest(rank, 150, FirstRanks(4)));
            } else {
              EPLB_RETURN_IF_ERROR(Join(rank, 4, 100, 4, {"main", "drafter"}));
            }
            EXPECT_EQ(rank.state->rank(), job_rank);
            // The hot expert has all redundant slots.
            for (int layer = 0; layer < 3; ++layer) {
              EXPECT_EQ(
                  rank.state->placement(0).slots_of_expert(layer, 11).size(),
                  9u);
              EXPECT_EQ(
                  rank.state->placement(1).slots_of_expert(layer, 4).size(),
                  9u);
            }
            return Serve(rank, 10, 4, 2);
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
