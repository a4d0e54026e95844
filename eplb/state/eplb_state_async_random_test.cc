// Random runs in the background, and in the middle of them whatever an engine
// may call: every row and every output is checked after every step.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

// More in the campaign.
#ifndef EPLB_RANDOM_RUNS
#define EPLB_RANDOM_RUNS 8
#endif

namespace eplb {
namespace {

using ::testing::Each;

constexpr int kCallsOfRun = 24;
constexpr uint64_t kEpochOfNobody = 1'000'000;

RandomRun MakeAsyncRun(uint64_t seed) {
  DeterministicRandom random(seed, /*stream=*/1);
  RandomRun run =
      MakeRandomRun(seed, 2 + static_cast<int>(random.NextBelow(3)));
  // What is for the background does nothing without it.
  run.config.use_async = random.NextBelow(4) != 0;
  run.config.collective_timeout = std::chrono::seconds(30);
  // A run takes a few steps, or more than there are before the next call.
  if (random.NextBelow(2) == 0) run.config.transfer_bytes_per_step = 64;
  // A layer switches at a time, or several.
  run.config.staging_bytes = random.NextBelow(2) == 0 ? 0 : 1 << 20;
  run.config.switch_bytes_per_step = random.NextBelow(2) == 0 ? 0 : 1 << 20;
  return run;
}

// Refused on all ranks before anything has changed: it would neither grow nor
// shrink the group.
absl::Status ResizeToTheSame(TestRank& rank) {
  EPLB_ASSIGN_OR_RETURN(
      const RankMapping same,
      RankMapping::Create(rank.members, static_cast<int>(rank.members.size())));
  const ResizeOptions resize{.rank_mapping = &same,
                             .members = {kEpochOfNobody, rank.members}};
  EXPECT_THAT(rank.state->Rearrange({.resize = &resize}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  return absl::OkStatus();
}

// Refused on all ranks when they have stopped their workers: the loads of one
// model are missing.
absl::Status ShrinkByWrongLoads(TestRank& rank) {
  std::vector<int> staying = rank.members;
  staying.pop_back();
  std::vector<int> new_ranks = staying;
  new_ranks.push_back(RankMapping::kNone);
  EPLB_ASSIGN_OR_RETURN(
      const RankMapping mapping,
      RankMapping::Create(new_ranks, static_cast<int>(staying.size())));
  const ResizeOptions resize{.rank_mapping = &mapping,
                             .members = {kEpochOfNobody, staying}};
  EPLB_ASSIGN_OR_RETURN(
      std::vector<ExpertLoads> loads,
      rank.state->Rearrange({.execute_shuffle = false, .resize = &resize}));
  loads.pop_back();
  EXPECT_THAT(rank.state->Rearrange({.global_loads = loads, .resize = &resize}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EPLB_RETURN_IF_ERROR(rank.state->Step({.is_profile = true}));
  return rank.state->StartBackground();
}

// Calls one thing, the same on all ranks, that an engine may call between a
// step and the next pass.
absl::Status CallAnything(TestRank& rank, DeterministicRandom& shared) {
  EplbState& state = *rank.state;
  switch (shared.NextBelow(10)) {
    case 0:
      return state.Drain();
    case 1:
      return state.Recover();
    case 2:
      return state.Rearrange().status();
    case 3: {
      EPLB_ASSIGN_OR_RETURN(const std::vector<ExpertLoads> loads,
                            state.Rearrange({.execute_shuffle = false}));
      return state.Rearrange({.global_loads = loads}).status();
    }
    case 4:
      return state.Rearrange({.profile = true}).status();
    case 5:
      return state.Step({.is_profile = true});
    case 6:
      state.WeightsChanged();
      return absl::OkStatus();
    case 7:
      return ResizeToTheSame(rank);
    case 8:
      return ShrinkByWrongLoads(rank);
    default:
      // Is running.
      return state.StartBackground();
  }
}

struct Counts {
  std::atomic<int> rearrangements = 0;
  std::atomic<int> interrupted_runs = 0;
};

// The part of one rank.
absl::Status ServeAndCall(TestRank& rank, const RandomRun& run, uint64_t seed,
                          Counts& counts) {
  rank.node_of_job_rank = run.node_of_rank;
  EPLB_RETURN_IF_ERROR(rank.Create(run.config));
  EPLB_RETURN_IF_ERROR(rank.AddModel("main", run.main));
  EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", run.drafter));
  EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
  DeterministicRandom shared(seed, /*stream=*/2);
  DeterministicRandom mine(seed, 3 + static_cast<uint64_t>(rank.state->rank()));
  for (int call = 0; call < kCallsOfRun; ++call) {
    // A run begins at the interval, and takes a few steps.
    const int64_t step_of_call =
        shared.NextBelow(std::min<int64_t>(5, run.config.step_interval));
    do {
      EPLB_RETURN_IF_ERROR(
          rank.Forward(static_cast<int>(mine.NextBelow(60)), call, mine));
      EPLB_RETURN_IF_ERROR(rank.state->Step());
      EPLB_RETURN_IF_ERROR(rank.CheckRows());
    } while (rank.state->rearrangement_step() != step_of_call);
    EPLB_RETURN_IF_ERROR(CallAnything(rank, shared));
    EPLB_RETURN_IF_ERROR(rank.CheckRows());
  }
  EPLB_RETURN_IF_ERROR(rank.state->Drain());
  EXPECT_TRUE(rank.events.EventsOf<BackgroundFailed>().empty());
  counts.rearrangements += rank.events.EventsOf<RearrangementFinished>().size();
  for (const auto& skipped : rank.events.EventsOf<RearrangementSkipped>()) {
    counts.interrupted_runs += absl::StartsWith(skipped.reason, "ended after");
  }
  return rank.CheckRows();
}

TEST(EplbStateAsyncRandomTest, ServesRightlyWhateverIsCalledInARun) {
  SystemClock clock;
  Counts counts;
  for (uint64_t seed = 1; seed <= EPLB_RANDOM_RUNS; ++seed) {
    const RandomRun run = MakeAsyncRun(seed);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", run.num_ranks, " ranks, ",
                              run.config.policy));
    std::vector<int> members(run.num_ranks);
    std::iota(members.begin(), members.end(), 0);
    const auto background = *InProcessGroup::Create(run.num_ranks, clock);
    EXPECT_THAT(OnTestRanks(run.num_ranks, clock,
                            [&](int job_rank, CommunicatorFactory& factory) {
                              const auto background_factory =
                                  background->FactoryOfRank(job_rank);
                              TestRank rank(factory, clock, members);
                              rank.background_factory =
                                  background_factory.get();
                              return ServeAndCall(rank, run, seed, counts);
                            }),
                Each(IsOk()));
  }
  EXPECT_GE(counts.rearrangements, 4 * EPLB_RANDOM_RUNS);
  EXPECT_GE(counts.interrupted_runs, 6 * EPLB_RANDOM_RUNS);
}

}  // namespace
}  // namespace eplb
