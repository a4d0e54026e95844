// The group of a state that rearranges in the background grows and shrinks.

#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_resize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;

// The larger group and the smaller one; the last rank leaves or joins.
constexpr int kRanks = 4;
constexpr int kFewerRanks = kRanks - 1;
constexpr int kStepsOfPhase = 50;

EplbConfig AsyncConfigOn(int num_ranks) {
  EplbConfig config = ConfigOn(num_ranks);
  config.step_interval = 40;
  config.use_async = true;
  config.collective_timeout = std::chrono::seconds(30);
  return config;
}

// Ranks with a second factory, for their workers.
std::vector<absl::Status> OnAsyncRanks(
    Clock& clock,
    const std::function<absl::Status(int job_rank, CommunicatorFactory& factory,
                                     CommunicatorFactory& background)>& body) {
  const auto background = *InProcessGroup::Create(kRanks, clock);
  return OnTestRanks(
      kRanks, clock, [&](int job_rank, CommunicatorFactory& factory) {
        return body(job_rank, factory, *background->FactoryOfRank(job_rank));
      });
}

// Serves until the worker has rearranged in the group that there is now.
absl::Status RebalanceWhenStartedAgain(TestRank& rank) {
  constexpr int kPhases = 12;
  const size_t before = rank.events.EventsOf<RearrangementFinished>().size();
  EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
  for (int phase = 0; phase < kPhases; ++phase) {
    EPLB_RETURN_IF_ERROR(Serve(rank, kStepsOfPhase, phase, /*seed=*/phase));
  }
  EPLB_RETURN_IF_ERROR(rank.state->Drain());
  EXPECT_GT(rank.events.EventsOf<RearrangementFinished>().size(), before);
  EXPECT_TRUE(rank.events.EventsOf<RearrangementFailed>().empty());
  return rank.CheckRows();
}

TEST(EplbStateAsyncResizeTest, RebalancesAfterAShrinkWhenItIsStartedAgain) {
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(clock,
                   [&](int job_rank, CommunicatorFactory& factory,
                       CommunicatorFactory& background) -> absl::Status {
                     TestRank rank(factory, clock, FirstRanks(kRanks));
                     rank.background_factory = &background;
                     EPLB_RETURN_IF_ERROR(rank.Create(AsyncConfigOn(kRanks)));
                     EPLB_RETURN_IF_ERROR(
                         rank.AddModel("main", ShapeOn(kRanks)));
                     EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
                     EPLB_RETURN_IF_ERROR(Serve(rank, /*num_steps=*/45,
                                                /*phase=*/0, /*seed=*/1));
                     EPLB_ASSIGN_OR_RETURN(
                         const RankMapping mapping,
                         RankMapping::Create({0, 1, 2, RankMapping::kNone},
                                             kFewerRanks));
                     const ResizeOptions resize{
                         .rank_mapping = &mapping,
                         .members = {100, FirstRanks(kFewerRanks)}};
                     EPLB_RETURN_IF_ERROR(
                         rank.state->Rearrange({.resize = &resize}).status());
                     if (job_rank == kFewerRanks) return absl::OkStatus();
                     EPLB_RETURN_IF_ERROR(rank.CheckRows());
                     EPLB_RETURN_IF_ERROR(
                         ConnectTest(rank, 150, FirstRanks(kFewerRanks)));
                     return RebalanceWhenStartedAgain(rank);
                   }),
      Each(IsOk()));
}

absl::Status JoinInTheBackgroundMode(TestRank& rank) {
  EplbConfig config = AsyncConfigOn(kRanks);
  config.num_redundant_experts = EplbConfig::kAutoRedundantExperts;
  EPLB_RETURN_IF_ERROR(rank.Create(config));
  std::vector<JoiningModel> models;
  models.push_back(rank.JoiningEngine("main", ShapeOn(kRanks), kSlotsPerRank,
                                      /*max_ranks=*/kRanks));
  return rank.state->ReceiveState(std::move(models));
}

absl::Status GrowInTheMiddleOfARun(TestRank& rank) {
  EPLB_RETURN_IF_ERROR(rank.Create(AsyncConfigOn(kFewerRanks)));
  EPLB_RETURN_IF_ERROR(
      rank.AddModel("main", ShapeOn(kFewerRanks), {.max_ranks = kRanks}));
  EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
  // The first run begins after a quarter of the interval, and takes a step for
  // each layer.
  EPLB_RETURN_IF_ERROR(Serve(rank, /*num_steps=*/11, /*phase=*/0, /*seed=*/1));
  EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                        RankMapping::Create({0, 1, 2}, kRanks));
  const ResizeOptions resize{.rank_mapping = &mapping,
                             .members = {100, FirstRanks(kRanks)}};
  return rank.state->Rearrange({.resize = &resize}).status();
}

TEST(EplbStateAsyncResizeTest, GrowsInTheMiddleOfARunAndIsStartedAgain) {
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(clock,
                   [&](int job_rank, CommunicatorFactory& factory,
                       CommunicatorFactory& background) -> absl::Status {
                     const bool joins = job_rank == kFewerRanks;
                     TestRank rank(factory, clock,
                                   FirstRanks(joins ? kRanks : kFewerRanks),
                                   joins ? 100 : 1);
                     rank.background_factory = &background;
                     EPLB_RETURN_IF_ERROR(joins ? JoinInTheBackgroundMode(rank)
                                                : GrowInTheMiddleOfARun(rank));
                     EPLB_RETURN_IF_ERROR(rank.CheckRows());
                     EPLB_RETURN_IF_ERROR(
                         ConnectTest(rank, 150, FirstRanks(kRanks)));
                     return RebalanceWhenStartedAgain(rank);
                   }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
