// Long random runs on ranks that are threads; eplb/state/state_test_run.h says
// what they check.

#include <atomic>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

// More in the campaign.
#ifndef EPLB_RANDOM_RUNS
#define EPLB_RANDOM_RUNS 18
#endif
#ifndef EPLB_RANDOM_MAX_RANKS
#define EPLB_RANDOM_MAX_RANKS 12
#endif

namespace eplb {
namespace {

using ::testing::Each;

// From here the default draws each policy several times, and the refined one,
// whose search for many ranks takes seconds without optimization, for up to
// ten.
constexpr uint64_t kFirstSeed = 32;

int NumRanksOf(uint64_t seed) {
  return 2 + static_cast<int>(7 * seed % (EPLB_RANDOM_MAX_RANKS - 1));
}

// How many rearrangements of a model there were.
int Serve(const RandomRun& run, uint64_t seed) {
  SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", run.num_ranks, " ranks, ",
                            run.config.policy));
  SystemClock clock;
  std::vector<int> members(run.num_ranks);
  std::iota(members.begin(), members.end(), 0);
  std::atomic<int> rearrangements = 0;
  EXPECT_THAT(
      OnTestRanks(run.num_ranks, clock,
                  [&](int, CommunicatorFactory& factory) -> absl::Status {
                    TestRank rank(factory, clock, members);
                    EPLB_ASSIGN_OR_RETURN(rearrangements,
                                          ServeRandomRun(rank, run, seed));
                    return absl::OkStatus();
                  }),
      Each(IsOk()));
  return rearrangements;
}

TEST(EplbStateRandomTest, NeverServesAWrongWeight) {
  int runs_that_moved = 0;
  for (uint64_t i = 0; i < EPLB_RANDOM_RUNS; ++i) {
    const uint64_t seed = kFirstSeed + i;
    runs_that_moved += Serve(MakeRandomRun(seed, NumRanksOf(seed)), seed) > 5;
  }
  // The others have few experts, a limit of moves that holds most plans back,
  // or are balanced well enough for their policy.
  EXPECT_GE(runs_that_moved, EPLB_RANDOM_RUNS / 2);
}

TEST(EplbStateRandomTest, ServesForThousandsOfSteps) {
  RandomRun run = MakeRandomRun(/*seed=*/99, /*num_ranks=*/4);
  run.num_steps = 2500;
  run.main = {.num_layers = 2,
              .num_logical_experts = 10,
              .num_redundant_experts = 2,
              .num_expert_groups = 1};
  run.drafter = run.main;
  run.drafter.num_layers = 1;
  run.config.num_redundant_experts = 2;
  run.config.step_interval = 10;
  run.config.min_balancedness_gain = 0;
  run.config.max_moves_per_layer = 0;
  run.config.policy = "greedy";
  run.config.window_size = 12;
  EXPECT_GT(Serve(run, 99), 300);
}

}  // namespace
}  // namespace eplb
