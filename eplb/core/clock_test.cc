#include "eplb/core/clock.h"

#include <chrono>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(SystemClockTest, NeverGoesBack) {
  const SystemClock clock;
  SteadyTime last = clock.Now();
  for (int i = 0; i < 1000; ++i) {
    const SteadyTime now = clock.Now();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(SystemClockTest, ADeadlineThatHasPassedDoesNotWait) {
  SystemClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(clock.WaitUntil(changed, mutex, clock.Now()));
  EXPECT_TRUE(clock.WaitUntil(changed, mutex, SteadyTime::min()));
}

TEST(SystemClockTest, AWaitEndsAfterItsDeadline) {
  SystemClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  absl::MutexLock lock(&mutex);
  const SteadyTime deadline = clock.Now() + std::chrono::milliseconds(1);
  while (!clock.WaitUntil(changed, mutex, deadline)) {
    mutex.AssertHeld();
  }
  mutex.AssertHeld();
  EXPECT_GE(clock.Now(), deadline);
}

TEST(SystemClockTest, ASignalEndsAWaitWithoutEnd) {
  SystemClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  bool is_done = false;
  std::thread thread([&] {
    absl::MutexLock lock(&mutex);
    is_done = true;
    changed.Signal();
  });
  {
    absl::MutexLock lock(&mutex);
    while (!is_done) {
      EXPECT_FALSE(clock.WaitUntil(changed, mutex, SteadyTime::max()));
    }
  }
  thread.join();
}

}  // namespace
}  // namespace eplb
