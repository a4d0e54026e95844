#include "eplb/state/background/commit_fence.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Due = std::vector<int64_t>;

class CommitFenceTest : public ::testing::Test {
 protected:
  SteadyTime InSeconds(int seconds) const {
    return clock_.Now() + std::chrono::seconds(seconds);
  }

  FakeClock clock_;
  CommitFence fence_{clock_, /*passed=*/9};
};

TEST_F(CommitFenceTest, StepsPassFreelyWhileNoFenceIsUp) {
  EXPECT_THAT(fence_.Pass(10, clock_.Now()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(fence_.Pass(11, clock_.Now()), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(fence_.waits().count, 0);
}

TEST_F(CommitFenceTest, StandsAfterTheLastPassedStep) {
  EXPECT_THAT(fence_.Raise(1), IsOkAndHolds(10));
  fence_.Withdraw();
  EPLB_EXPECT_OK(fence_.Pass(12, clock_.Now()));
  EXPECT_EQ(fence_.passed(), 12);
  EXPECT_THAT(fence_.Raise(3), IsOkAndHolds(15));
}

TEST_F(CommitFenceTest, StandsNoEarlierThanItIsTold) {
  EXPECT_THAT(fence_.Raise(1, /*not_before=*/14), IsOkAndHolds(14));
  fence_.Withdraw();
  EXPECT_THAT(fence_.Raise(1, /*not_before=*/3), IsOkAndHolds(10));
}

TEST_F(CommitFenceTest, ADrainTakesWhatIsAgreedBeforeIt) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(1, 12));
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(2, 15));
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(3, 16));
  EXPECT_THAT(fence_.TakeAgreed(/*last_unit=*/2), ElementsAre(1, 2));
  EXPECT_THAT(fence_.TakeAgreed(2), IsEmpty());
  EXPECT_THAT(fence_.Pass(12, clock_.Now()), IsOkAndHolds(IsEmpty()));
  fence_.Switched(1);
  fence_.Switched(2);
  EXPECT_EQ(fence_.num_pending(), 1);
  EXPECT_THAT(fence_.Pass(16, clock_.Now()), IsOkAndHolds(ElementsAre(3)));
}

TEST_F(CommitFenceTest, ASwitchWakesOnlyWhoWaitsForIt) {
  // So many that a worker who is woken gets to look before the last.
  constexpr int64_t kUnits = 500;
  for (int64_t unit = 1; unit <= kUnits; ++unit) {
    EPLB_EXPECT_OK(fence_.Raise(1));
    EPLB_EXPECT_OK(fence_.Commit(unit, 10 + unit));
  }
  EPLB_EXPECT_OK(fence_.Pass(10 + kUnits, clock_.Now()));
  std::atomic<int> looks = 0;
  std::thread worker([&] {
    EPLB_EXPECT_OK(fence_.AwaitSwitch(kUnits, InSeconds(1), [&] {
      ++looks;
      return false;
    }));
  });
  clock_.WaitForWaiters(1);
  EXPECT_EQ(looks, 1);
  for (int64_t unit = 1; unit <= kUnits; ++unit) {
    fence_.Switched(unit);
    std::this_thread::yield();
  }
  worker.join();
  EXPECT_EQ(looks, 1);
}

TEST_F(CommitFenceTest, IsRaisedOnce) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EXPECT_THAT(fence_.Raise(1), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CommitFenceTest, AUnitIsDueAtItsCommitStepOnce) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(/*unit=*/7, /*commit_step=*/12));
  EXPECT_THAT(fence_.Pass(10, clock_.Now()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(fence_.Pass(11, clock_.Now()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(fence_.Pass(12, clock_.Now()), IsOkAndHolds(ElementsAre(7)));
  EXPECT_EQ(fence_.num_pending(), 1);
  EXPECT_THAT(fence_.Pass(13, clock_.Now()), IsOkAndHolds(IsEmpty()));
  fence_.Switched(7);
  EXPECT_EQ(fence_.num_pending(), 0);
}

TEST_F(CommitFenceTest, WhereStepsJumpOverTheCommitStepTheNextOneSwitches) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(7, 12));
  EXPECT_THAT(fence_.Pass(20, clock_.Now()), IsOkAndHolds(ElementsAre(7)));
}

TEST_F(CommitFenceTest, SeveralAgreementsSwitchInTheirOrder) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(1, 12));
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(2, 11));
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(3, 12));
  EXPECT_THAT(fence_.Pass(11, clock_.Now()), IsOkAndHolds(ElementsAre(2)));
  EXPECT_THAT(fence_.Pass(12, clock_.Now()), IsOkAndHolds(ElementsAre(1, 3)));
}

TEST_F(CommitFenceTest, RefusesACommitThatThisRankMayHavePassed) {
  EXPECT_THAT(fence_.Commit(1, 12),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EPLB_EXPECT_OK(fence_.Raise(5));
  EXPECT_THAT(fence_.Commit(1, 13),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("before this rank's fence 14")));
}

TEST_F(CommitFenceTest, TheStepAtTheFenceWaitsForTheOutcome) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  absl::StatusOr<Due> due;
  std::thread serving([&] { due = fence_.Pass(10, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  EPLB_EXPECT_OK(fence_.Commit(7, 10));
  serving.join();
  EXPECT_THAT(due, IsOkAndHolds(ElementsAre(7)));
  EXPECT_EQ(fence_.waits().count, 1);
}

TEST_F(CommitFenceTest, AWithdrawnFenceLetsTheStepGoOn) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  absl::StatusOr<Due> due;
  std::thread serving([&] { due = fence_.Pass(10, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  fence_.Withdraw();
  serving.join();
  EXPECT_THAT(due, IsOkAndHolds(IsEmpty()));
}

TEST_F(CommitFenceTest, WarnsAtASixthOfTheTimeAndEndsAtTheDeadline) {
  std::vector<int64_t> warned_at;
  const CommitFence* told_of = nullptr;
  CommitFence fence(clock_, 9,
                    [&](int64_t forward_id, std::chrono::nanoseconds waited) {
                      EXPECT_GE(waited, std::chrono::seconds(10));
                      warned_at.push_back(forward_id);
                      EXPECT_EQ(told_of->waits().count, 0);
                    });
  told_of = &fence;
  EPLB_EXPECT_OK(fence.Raise(1));
  absl::StatusOr<Due> due;
  std::thread serving([&] { due = fence.Pass(10, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  clock_.AdvanceClock(std::chrono::seconds(10));
  clock_.WaitForWaiters(1);
  clock_.AdvanceClock(std::chrono::seconds(50));
  serving.join();
  EXPECT_THAT(warned_at, ElementsAre(10));
  EXPECT_THAT(
      due, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("step 10")));
}

TEST_F(CommitFenceTest, AnOutcomeThatComesDuringTheWarningEndsTheWait) {
  CommitFence* lowered = nullptr;
  CommitFence fence(clock_, 9, [&](int64_t, std::chrono::nanoseconds) {
    EPLB_EXPECT_OK(lowered->Commit(7, 10));
  });
  lowered = &fence;
  EPLB_EXPECT_OK(fence.Raise(1));
  absl::StatusOr<Due> due;
  std::thread serving([&] { due = fence.Pass(10, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  clock_.AdvanceClock(std::chrono::seconds(10));
  serving.join();
  EXPECT_THAT(due, IsOkAndHolds(ElementsAre(7)));
}

TEST_F(CommitFenceTest, InDoubtNoStepFromTheFenceOnPasses) {
  EPLB_EXPECT_OK(fence_.Raise(2));
  fence_.Doubt(absl::UnavailableError("epoch 3: layers 4"));
  EPLB_EXPECT_OK(fence_.Pass(10, clock_.Now()));
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THAT(fence_.Pass(11, InSeconds(60)),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("epoch 3: layers 4")));
  }
  EPLB_EXPECT_OK(fence_.Commit(7, 11));
  EXPECT_THAT(fence_.Pass(11, clock_.Now()), IsOkAndHolds(ElementsAre(7)));
}

TEST_F(CommitFenceTest, ADyingWorkerWakesTheStepWithItsReason) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  absl::StatusOr<Due> due;
  std::thread serving([&] { due = fence_.Pass(10, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  fence_.Break(absl::InternalError("the worker is gone"));
  serving.join();
  EXPECT_THAT(due, StatusIs(absl::StatusCode::kInternal,
                            HasSubstr("the worker is gone")));
  EXPECT_THAT(fence_.Pass(11, clock_.Now()),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_F(CommitFenceTest, TheWorkerWaitsForASwitch) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(7, 10));
  EPLB_EXPECT_OK(fence_.AwaitSwitch(/*unit=*/6, clock_.Now()));
  absl::Status switched;
  std::thread worker([&] { switched = fence_.AwaitSwitch(7, InSeconds(60)); });
  clock_.WaitForWaiters(1);
  EXPECT_THAT(fence_.Pass(10, clock_.Now()), IsOkAndHolds(ElementsAre(7)));
  fence_.Switched(7);
  worker.join();
  EPLB_EXPECT_OK(switched);
}

TEST_F(CommitFenceTest, TheWorkerWaitsForASwitchNoLongerThanItsDeadline) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(7, 10));
  EXPECT_THAT(fence_.AwaitSwitch(7, clock_.Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("unit 7 has not switched")));
}

TEST_F(CommitFenceTest, TheWorkerGivesUpWaitingWhenItIsWokenForSomethingElse) {
  EPLB_EXPECT_OK(fence_.Raise(1));
  EPLB_EXPECT_OK(fence_.Commit(7, 10));
  std::atomic<bool> has_other_work = false;
  absl::Status switched;
  std::thread worker([&] {
    switched = fence_.AwaitSwitch(7, InSeconds(60),
                                  [&] { return has_other_work.load(); });
  });
  clock_.WaitForWaiters(1);
  has_other_work = true;
  fence_.Wake();
  worker.join();
  EXPECT_THAT(switched, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace eplb
