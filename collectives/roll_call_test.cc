#include "collectives/roll_call.h"

#include <barrier>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + seconds(3600);

// What the roll call says on each of as many ranks, which have begun
// `num_calls`; a rank with -1 does not answer.
std::vector<std::string> Results(const std::vector<int>& num_calls) {
  FakeClock clock;
  std::vector<std::string> results(num_calls.size());
  int num_answers = 0;
  for (const int calls : num_calls) num_answers += calls >= 0;
  // A rank that is still on its way out of Create counts as one that waits.
  std::barrier created(static_cast<std::ptrdiff_t>(num_calls.size()));
  const auto statuses = RunInProcessRanks(
      num_calls.size(), clock,
      [&](std::unique_ptr<Communicator> control) -> absl::Status {
        const int rank = control->rank();
        EPLB_ASSIGN_OR_RETURN(
            const std::unique_ptr<RollCall> roll_call,
            RollCall::Create(*control, clock, seconds(1), kDeadline));
        created.arrive_and_wait();
        if (num_calls[rank] < 0) {
          // Until the others wait, for this rank alone.
          clock.WaitForWaiters(num_answers);
          clock.AdvanceClock(seconds(1));
          return control->Barrier(kDeadline);
        }
        for (int call = 0; call < num_calls[rank]; ++call) {
          roll_call->CountCall();
        }
        roll_call->Take();
        results[rank] = roll_call->Result();
        // Nobody leaves before all are done.
        return control->Barrier(kDeadline);
      });
  EXPECT_THAT(statuses, Each(IsOk()));
  return results;
}

TEST(RollCallTest, NamesTheRanksThatHadNotCalled) {
  EXPECT_THAT(Results({5, 4, 5, 3}), Each("ranks 1, 3 had not called"));
  EXPECT_THAT(Results({1, 0}), Each("rank 1 had not called"));
}

TEST(RollCallTest, SaysWhenAllHadCalled) {
  EXPECT_THAT(Results({2, 2, 2}), Each("all ranks had called"));
  EXPECT_THAT(Results({0}), Each("all ranks had called"));
}

TEST(RollCallTest, NamesARankThatDoesNotAnswer) {
  const std::vector<std::string> results = Results({3, -1, 3});
  for (const int rank : {0, 2}) {
    EXPECT_THAT(results[rank],
                AllOf(HasSubstr("asked who had called"), HasSubstr("rank 1")));
  }
}

TEST(RollCallTest, ARankThatLeavesIsNotWaitedFor) {
  FakeClock clock;
  const auto statuses = RunInProcessRanks(
      2, clock, [&](std::unique_ptr<Communicator> control) -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(
            const std::unique_ptr<RollCall> roll_call,
            RollCall::Create(*control, clock, seconds(1), kDeadline));
        if (control->rank() == 1) {
          roll_call->Leave();
          EXPECT_THAT(roll_call->Result(), HasSubstr("leaves"));
        } else {
          roll_call->Take();
          EXPECT_THAT(roll_call->Result(), HasSubstr("rank 1"));
        }
        return control->Barrier(kDeadline);
      });
  EXPECT_THAT(statuses, Each(IsOk()));
}

}  // namespace
}  // namespace eplb
