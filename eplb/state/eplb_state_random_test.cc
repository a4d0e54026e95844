// Long random runs: drifting traffic, every policy, 2 to 16 ranks. After every
// rearrangement every weight row is checked, and in every step the outputs of
// all tokens against a model that is never rearranged.

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;

struct RandomCase {
  int num_ranks = 0;
  int num_steps = 0;
  ModelShape main;
  ModelShape drafter;
  EplbConfig config;
};

RandomCase MakeCase(uint64_t seed) {
  DeterministicRandom random(seed);
  const auto below = [&random](int64_t bound) {
    return static_cast<int>(random.NextBelow(bound));
  };
  RandomCase c;
  c.num_ranks = 2 + below(15);
  c.num_steps = 150 + below(100);
  const int slots_per_rank = 2 + below(4);
  const int slots = c.num_ranks * slots_per_rank;
  c.main.num_layers = 1 + below(4);
  c.main.num_logical_experts = 1 + below(slots);
  c.main.num_redundant_experts = slots - c.main.num_logical_experts;
  c.drafter = c.main;
  c.drafter.num_layers = 1;
  c.config.num_redundant_experts = c.main.num_redundant_experts;
  const std::string policies[] = {"hierarchical", "greedy", "refined",
                                  "incremental"};
  c.config.policy = policies[below(4)];
  c.config.step_interval = 3 + below(20);
  c.config.window_size = 1 + below(30);
  c.config.load_decay = below(3) == 0 ? 0.9 : 1.0;
  c.config.max_moves_per_layer = below(3) == 0 ? slots_per_rank : 0;
  c.config.verify_checksums = below(2) == 0;
  c.config.log_balancedness = below(2) == 0;
  c.config.log_balancedness_interval = 1 + below(5);
  return c;
}

absl::Status Serve(TestRank& rank, const RandomCase& c, uint64_t seed) {
  EPLB_RETURN_IF_ERROR(rank.Create(c.config));
  EPLB_RETURN_IF_ERROR(rank.AddModel("main", c.main));
  EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", c.drafter));
  DeterministicRandom random(seed,
                             1 + static_cast<uint64_t>(rank.state->rank()));
  size_t rearrangements = 0;
  for (int step = 0; step < c.num_steps; ++step) {
    // Ranks without work run dummy passes; for a while all of them do.
    const bool is_dummy = random.NextBelow(5) == 0 || (step > 50 && step < 60);
    const int num_tokens = static_cast<int>(random.NextBelow(100));
    EPLB_RETURN_IF_ERROR(rank.Forward(num_tokens, step / 10, random));
    EPLB_RETURN_IF_ERROR(rank.state->Step({.is_dummy = is_dummy}));
    const size_t done = rank.events.EventsOf<RearrangementFinished>().size();
    if (done != rearrangements) EPLB_RETURN_IF_ERROR(rank.CheckRows());
    rearrangements = done;
  }
  EXPECT_EQ(rank.events.EventsOf<RearrangementFailed>().size(), 0);
  return rank.CheckRows();
}

TEST(EplbStateRandomTest, NeverServesAWrongWeight) {
  for (uint64_t seed = 1; seed <= 14; ++seed) {
    const RandomCase c = MakeCase(seed);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", c.num_ranks, " ranks, ",
                              c.config.policy));
    SystemClock clock;
    std::vector<int> members(c.num_ranks);
    std::iota(members.begin(), members.end(), 0);
    EXPECT_THAT(OnTestRanks(c.num_ranks, clock,
                            [&](int, CommunicatorFactory& factory) {
                              TestRank rank(factory, clock, members);
                              return Serve(rank, c, seed);
                            }),
                Each(IsOk()));
  }
}

}  // namespace
}  // namespace eplb
