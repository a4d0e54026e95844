#include "testing/fake_clock.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// A thread that waits until `deadline` or until Stop, over its own condition.
class WaitingThread {
 public:
  WaitingThread(FakeClock& clock, SteadyTime deadline)
      : clock_(clock), thread_([this, deadline] { Wait(deadline); }) {}
  ~WaitingThread() {
    Stop();
    thread_.join();
  }

  void Stop() {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
    changed_.SignalAll();
  }

  // Blocks until the thread has stopped waiting; whether it was for the time.
  bool TimedOut() {
    absl::MutexLock lock(&mutex_);
    while (!is_done_) changed_.Wait(&mutex_);
    return timed_out_;
  }

 private:
  void Wait(SteadyTime deadline) {
    absl::MutexLock lock(&mutex_);
    while (!is_stopped_ && !timed_out_) {
      timed_out_ = clock_.WaitUntil(changed_, mutex_, deadline);
    }
    is_done_ = true;
    changed_.SignalAll();
  }

  FakeClock& clock_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool timed_out_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

TEST(FakeClockTest, StandsStillUntilAdvanced) {
  FakeClock clock;
  const SteadyTime start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.AdvanceClock(nanoseconds(7));
  EXPECT_EQ(clock.Now(), start + nanoseconds(7));
  clock.AdvanceClock(nanoseconds(0));
  EXPECT_EQ(clock.Now(), start + nanoseconds(7));
}

TEST(FakeClockTest, StartsWhenItIsTold) {
  EXPECT_EQ(FakeClock(SteadyTime(seconds(5))).Now(), SteadyTime(seconds(5)));
}

TEST(FakeClockTest, ADeadlineThatHasPassedDoesNotWait) {
  FakeClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(clock.WaitUntil(changed, mutex, clock.Now()));
  EXPECT_TRUE(clock.WaitUntil(changed, mutex, SteadyTime::min()));
}

TEST(FakeClockTest, WakesAWaiterAtItsDeadline) {
  FakeClock clock;
  WaitingThread thread(clock, clock.Now() + seconds(30));
  clock.WaitForWaiters(1);
  clock.AdvanceClock(seconds(30));
  EXPECT_TRUE(thread.TimedOut());
}

TEST(FakeClockTest, LetsThoseWaitWhoseDeadlineIsToCome) {
  FakeClock clock;
  WaitingThread early(clock, clock.Now() + seconds(1));
  WaitingThread late(clock, clock.Now() + seconds(1) + nanoseconds(1));
  clock.WaitForWaiters(2);
  clock.AdvanceClock(seconds(1));
  EXPECT_TRUE(early.TimedOut());

  late.Stop();
  EXPECT_FALSE(late.TimedOut());
}

TEST(FakeClockTest, ASignalWakesAWaiterBeforeItsDeadline) {
  FakeClock clock;
  WaitingThread thread(clock, SteadyTime::max());
  clock.WaitForWaiters(1);
  thread.Stop();
  EXPECT_FALSE(thread.TimedOut());
}

TEST(FakeClockTest, WaitersThatAreDueCountNoLonger) {
  FakeClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  std::thread thread([&] {
    absl::MutexLock lock(&mutex);
    for (int i = 1; i <= 100; ++i) {
      const SteadyTime deadline = FakeClock::kStart + seconds(i);
      while (!clock.WaitUntil(changed, mutex, deadline)) {
      }
    }
  });
  // Would run past a wait, and wait for ever, if an old one were counted.
  for (int i = 1; i <= 100; ++i) {
    clock.WaitForWaiters(1);
    clock.AdvanceClock(seconds(1));
  }
  thread.join();
  EXPECT_EQ(clock.Now(), FakeClock::kStart + seconds(100));
}

TEST(FakeClockTest, WaitersMayShareAMutexAndACondition) {
  constexpr int kThreads = 8;
  FakeClock clock;
  absl::Mutex mutex;
  absl::CondVar changed;
  std::vector<std::thread> threads;
  for (int i = 1; i <= kThreads; ++i) {
    threads.emplace_back([&, deadline = clock.Now() + seconds(i)] {
      absl::MutexLock lock(&mutex);
      while (!clock.WaitUntil(changed, mutex, deadline)) {
      }
    });
  }
  clock.WaitForWaiters(kThreads);
  clock.AdvanceClock(seconds(kThreads));
  for (std::thread& thread : threads) thread.join();
}

// Waiters come and go while the clock runs, each with a mutex and a condition
// that end with its wait: the sanitizers see any use after that, and a lost
// wakeup hangs.
TEST(FakeClockTest, AdvancingRacesWithWaitersThatLeave) {
  constexpr int kThreads = 4;
  constexpr int kWaits = 300;
  FakeClock clock;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&clock, &running, i] {
      for (int wait = 0; wait < kWaits; ++wait) {
        auto mutex = std::make_unique<absl::Mutex>();
        auto changed = std::make_unique<absl::CondVar>();
        // A third party's signal ends some waits just when they are due.
        std::thread signaller([&] {
          if (wait % 2 == 0) return;
          absl::MutexLock lock(mutex.get());
          changed->SignalAll();
        });
        {
          absl::MutexLock lock(mutex.get());
          const SteadyTime deadline = clock.Now() + nanoseconds(1 + i);
          while (!clock.WaitUntil(*changed, *mutex, deadline)) {
          }
        }
        signaller.join();
      }
      --running;
    });
  }
  while (running > 0) {
    clock.AdvanceClock(nanoseconds(1));
    // The waiters need the processor, and the lock, to get on.
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(clock.Now(), FakeClock::kStart + nanoseconds(kWaits));
}

}  // namespace
}  // namespace eplb
