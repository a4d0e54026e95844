// Long random runs on ranks that are threads; eplb/state/state_test_run.h says
// what they check.

#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;

TEST(EplbStateRandomTest, NeverServesAWrongWeight) {
  for (uint64_t seed = 1; seed <= 14; ++seed) {
    const RandomRun run = MakeRandomRun(seed);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", run.num_ranks, " ranks, ",
                              run.config.policy));
    SystemClock clock;
    std::vector<int> members(run.num_ranks);
    std::iota(members.begin(), members.end(), 0);
    EXPECT_THAT(OnTestRanks(run.num_ranks, clock,
                            [&](int, CommunicatorFactory& factory) {
                              TestRank rank(factory, clock, members);
                              return ServeRandomRun(rank, run, seed);
                            }),
                Each(IsOk()));
  }
}

}  // namespace
}  // namespace eplb
