#include "eplb/state/background/background_orders.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

class BackgroundOrdersTest : public ::testing::Test {
 protected:
  // The steps of the orders that are left, in their order.
  std::vector<int64_t> TakeAll() {
    orders_.BeginDrain(kSentinel);
    std::vector<int64_t> steps;
    while (true) {
      const BackgroundOrder order = *orders_.Take();
      const int64_t step =
          std::visit([](const auto& any) { return any.step; }, order);
      if (step == kSentinel) return steps;
      steps.push_back(step);
    }
  }

  static constexpr int64_t kSentinel = 1'000'000;
  FakeClock clock_;
  BackgroundOrders orders_{clock_, seconds(60)};
};

TEST_F(BackgroundOrdersTest, AreTakenInTheOrderTheyWereGiven) {
  orders_.AddTask({.step = 3});
  orders_.StartRun({.step = 3});
  orders_.AddTask({.step = 4});
  EXPECT_THAT(TakeAll(), ElementsAre(3, 3, 4));
}

TEST_F(BackgroundOrdersTest, AWorkerWaitsForAnOrder) {
  std::optional<BackgroundOrder> order;
  std::thread worker([&] { order = orders_.Take(); });
  clock_.WaitForWaiters(1);
  orders_.StartRun({.step = 5});
  worker.join();
  EXPECT_TRUE(order.has_value());
}

TEST_F(BackgroundOrdersTest, AWorkerWaitsForStop) {
  std::optional<BackgroundOrder> order;
  std::thread worker([&] { order = orders_.Take(); });
  clock_.WaitForWaiters(1);
  orders_.Stop();
  worker.join();
  EXPECT_FALSE(order.has_value());
}

TEST_F(BackgroundOrdersTest, TasksComeOutOfTheQueueUpToACommonStep) {
  orders_.AddTask({.step = 3});
  orders_.AddTask({.step = 4});
  EXPECT_EQ(orders_.newest_task(), 4);
  EXPECT_EQ(orders_.TakeTask(3)->step, 3);
  EXPECT_FALSE(orders_.TakeTask(3).has_value());
  EXPECT_EQ(orders_.last_task_taken(), 3);
}

TEST_F(BackgroundOrdersTest, ForgetsWhatOtherRanksHaveBegunAndLost) {
  orders_.AddTask({.step = 3});
  orders_.StartRun({.step = 4});
  orders_.AddTask({.step = 5});
  orders_.ForgetUpTo(/*run=*/4, /*task=*/3);
  orders_.AddTask({.step = 3});
  orders_.StartRun({.step = 4});
  EXPECT_THAT(TakeAll(), ElementsAre(5));
}

TEST_F(BackgroundOrdersTest, SkipsTheOldestTasksAsIfTheyWereTaken) {
  for (int64_t step = 1; step <= 6; ++step) orders_.AddTask({.step = step});
  orders_.StartRun({.step = 6});
  orders_.SkipTasks(/*step=*/5, /*num_left=*/2);
  EXPECT_EQ(orders_.last_task_taken(), 3);
  orders_.AddTask({.step = 3});
  EXPECT_THAT(TakeAll(), ElementsAre(4, 5, 6, 6));
}

TEST_F(BackgroundOrdersTest, SkipsNoTasksWhileFewWait) {
  orders_.AddTask({.step = 1});
  orders_.AddTask({.step = 2});
  orders_.SkipTasks(/*step=*/2, /*num_left=*/2);
  EXPECT_EQ(orders_.last_task_taken(), -1);
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2));
}

TEST_F(BackgroundOrdersTest, KeepsNoTasksForAWorkerThatHasEnded) {
  const auto kept = std::make_shared<int>(0);
  const StepTask task = [kept](const ShuffleChannels&) {
    return absl::OkStatus();
  };
  const int64_t before = kept.use_count();
  orders_.SayEnded();
  orders_.AddTask({.step = 1, .task = task});
  EXPECT_EQ(kept.use_count(), before);
}

TEST_F(BackgroundOrdersTest, ADrainEndsWithWhatTheWorkerSays) {
  orders_.BeginDrain(7);
  EXPECT_TRUE(orders_.is_draining());
  absl::StatusOr<int64_t> drained;
  std::thread serving(
      [&] { drained = orders_.AwaitDrain(clock_.Now() + seconds(60)); });
  clock_.WaitForWaiters(1);
  orders_.FinishDrain(std::get<DrainOrder>(*orders_.Take()),
                      absl::AbortedError("no"));
  serving.join();
  EXPECT_THAT(drained.status(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(orders_.is_draining());
}

TEST_F(BackgroundOrdersTest, ADrainTellsWhatWasAgreedBeforeIt) {
  orders_.BeginDrain(7);
  orders_.FinishDrain(std::get<DrainOrder>(*orders_.Take()), /*last_unit=*/3);
  EXPECT_THAT(orders_.AwaitDrain(clock_.Now()), IsOkAndHolds(3));
}

TEST_F(BackgroundOrdersTest, ADrainEndsAtItsDeadlineAndByStop) {
  orders_.BeginDrain(7);
  EXPECT_THAT(orders_.AwaitDrain(clock_.Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const DrainOrder late = std::get<DrainOrder>(*orders_.Take());
  orders_.BeginDrain(8);
  orders_.FinishDrain(late, /*last_unit=*/3);
  EXPECT_TRUE(orders_.is_draining());
  orders_.Stop();
  EXPECT_THAT(orders_.AwaitDrain(clock_.Now() + seconds(60)),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(BackgroundOrdersTest, TheFirstFailureIsTakenOnce) {
  EPLB_EXPECT_OK(orders_.TakeFailure());
  orders_.ReportFailure(absl::AbortedError("first"));
  orders_.ReportFailure(absl::InternalError("second"));
  EXPECT_THAT(orders_.TakeFailure(), StatusIs(absl::StatusCode::kAborted));
  EPLB_EXPECT_OK(orders_.TakeFailure());
}

TEST_F(BackgroundOrdersTest, AwaitsTheEndOfTheWorker) {
  EXPECT_FALSE(orders_.AwaitEnd(clock_.Now()));
  std::thread worker([&] { orders_.SayEnded(); });
  EXPECT_TRUE(orders_.AwaitEnd(clock_.Now() + seconds(60)));
  worker.join();
}

}  // namespace
}  // namespace eplb
