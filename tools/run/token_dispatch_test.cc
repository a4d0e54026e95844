#include "tools/run/token_dispatch.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"
#include "tools/run/expert_computation.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr int kSlotsPerRank = 3;

// What comes back says who worked on what.
Activation Answer(int rank, const DispatchedToken& token) {
  Activation answer = token.input;
  answer[0] = rank;
  answer[1] = token.slot;
  answer[2] = static_cast<int32_t>(token.token);
  return answer;
}

absl::Status SendRandomTokens(Communicator& communicator, Clock& clock,
                              uint64_t seed) {
  const int size = communicator.size();
  const int me = communicator.rank();
  DeterministicRandom random(seed, me);
  TokenDispatch dispatch(communicator, kSlotsPerRank);
  for (int call = 0; call < 20; ++call) {
    std::vector<DispatchedToken> tokens(random.NextBelow(40));
    std::vector<int64_t> loads(size);
    for (DispatchedToken& token : tokens) {
      token.token = random.NextBelow(1000);
      token.slot = random.NextBelow(size * kSlotsPerRank);
      token.input[5] = random.NextBelow(1000);
      ++loads[token.slot / kSlotsPerRank];
    }
    std::vector<Activation> outputs(tokens.size());
    const SteadyTime deadline = clock.Now() + std::chrono::minutes(1);
    EPLB_RETURN_IF_ERROR(dispatch.Forward(
        tokens, [&](const DispatchedToken& token) { return Answer(me, token); },
        absl::MakeSpan(outputs), deadline));
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_EQ(outputs[i], Answer(tokens[i].slot / kSlotsPerRank, tokens[i]))
          << "seed " << seed << ", call " << call << ", token " << i;
    }
    EPLB_RETURN_IF_ERROR(
        communicator.AllReduceSum(absl::MakeSpan(loads), deadline));
    EXPECT_EQ(dispatch.rank_loads(), absl::MakeConstSpan(loads))
        << "seed " << seed << ", call " << call;
  }
  return absl::OkStatus();
}

TEST(TokenDispatchTest, EveryTokenComesBackFromItsSlotsRank) {
  SystemClock clock;
  for (const int num_ranks : {1, 2, 5, 8}) {
    EXPECT_THAT(RunInProcessRanks(
                    num_ranks, clock,
                    [&](std::unique_ptr<Communicator> communicator) {
                      return SendRandomTokens(*communicator, clock, num_ranks);
                    }),
                Each(IsOk()));
  }
}

TEST(TokenDispatchTest, WithoutTokensNothingHappens) {
  SystemClock clock;
  EXPECT_THAT(RunInProcessRanks(
                  3, clock,
                  [&](std::unique_ptr<Communicator> communicator) {
                    TokenDispatch dispatch(*communicator, kSlotsPerRank);
                    const absl::Status status = dispatch.Forward(
                        {}, [](const DispatchedToken&) { return Activation(); },
                        {}, clock.Now() + std::chrono::minutes(1));
                    EXPECT_THAT(dispatch.rank_loads(), Each(0));
                    return status;
                  }),
              Each(IsOk()));
}

TEST(TokenDispatchTest, RefusesATokenOfAnotherRank) {
  SystemClock clock;
  const std::vector<absl::Status> results = RunInProcessRanks(
      2, clock, [&](std::unique_ptr<Communicator> communicator) {
        // The second rank believes in other slots.
        TokenDispatch dispatch(*communicator,
                               communicator->rank() == 0 ? 2 : 4);
        std::vector<DispatchedToken> tokens(1);
        tokens[0].slot = 3;
        std::vector<Activation> outputs(1);
        return dispatch.Forward(
            tokens, [](const DispatchedToken&) { return Activation(); },
            absl::MakeSpan(outputs), clock.Now() + std::chrono::minutes(1));
      });
  EXPECT_THAT(results[1],
              StatusIs(absl::StatusCode::kInternal, HasSubstr("slot 3")));
}

}  // namespace
}  // namespace eplb
