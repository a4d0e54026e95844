#include "eplb/state/background/transfer_budget.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "testing/fake_clock.h"

namespace eplb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TransferBudgetTest : public ::testing::Test {
 protected:
  SteadyTime InOneHour() const { return clock_.Now() + std::chrono::hours(1); }

  FakeClock clock_;
  TransferBudget budget_{clock_, /*bytes_per_step=*/100, seconds(1)};
};

TEST_F(TransferBudgetTest, WhatAStepAllowsIsSpentAtOnce) {
  budget_.Spend(40, InOneHour());
  budget_.Spend(59, InOneHour());
}

TEST_F(TransferBudgetTest, ALargeTransferPutsTheNextOneOffByItsSteps) {
  budget_.Spend(250, InOneHour());
  std::atomic<bool> is_through = false;
  std::thread worker([&] {
    budget_.Spend(1, InOneHour());
    is_through = true;
  });
  clock_.WaitForWaiters(1);
  budget_.Refill();
  clock_.WaitForWaiters(1);
  EXPECT_FALSE(is_through);
  budget_.Refill();
  worker.join();
}

TEST_F(TransferBudgetTest, UnusedStepsAreNotSavedUp) {
  for (int step = 0; step < 10; ++step) budget_.Refill();
  budget_.Spend(100, InOneHour());
  std::thread worker([&] { budget_.Spend(1, InOneHour()); });
  clock_.WaitForWaiters(1);
  budget_.Refill();
  worker.join();
}

TEST_F(TransferBudgetTest, RefillsWithTimeWhereNoStepsAreTaken) {
  budget_.Spend(150, InOneHour());
  std::thread worker([&] { budget_.Spend(1, InOneHour()); });
  clock_.WaitForWaiters(1);
  clock_.AdvanceClock(seconds(1));
  worker.join();
}

TEST_F(TransferBudgetTest, NobodyWaitsBeyondTheDeadline) {
  budget_.Spend(1'000'000, InOneHour());
  std::thread worker(
      [&] { budget_.Spend(1, clock_.Now() + milliseconds(500)); });
  clock_.WaitForWaiters(1);
  clock_.AdvanceClock(milliseconds(500));
  worker.join();
}

TEST_F(TransferBudgetTest, NobodyWaitsOnceItIsOpen) {
  budget_.Spend(1'000'000, InOneHour());
  std::thread worker([&] { budget_.Spend(1, InOneHour()); });
  clock_.WaitForWaiters(1);
  budget_.Open();
  worker.join();
  budget_.Spend(1, InOneHour());
}

TEST_F(TransferBudgetTest, ZeroIsNoLimit) {
  TransferBudget unlimited(clock_, 0, seconds(1));
  for (int i = 0; i < 3; ++i) unlimited.Spend(1'000'000, InOneHour());
}

}  // namespace
}  // namespace eplb
