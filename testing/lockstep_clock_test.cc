#include "testing/lockstep_clock.h"

#include <chrono>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick(1);

// Waits for one tick, with a mutex of its own.
void WaitForTick(LockstepClock& clock) {
  absl::Mutex mutex;
  absl::CondVar changed;
  absl::MutexLock lock(&mutex);
  const SteadyTime deadline = clock.Now() + kTick;
  while (!clock.WaitUntil(changed, mutex, deadline)) {
  }
}

TEST(LockstepClockTest, AWaitIsATickWhereNobodyHasJoined) {
  LockstepClock clock(kTick);
  const SteadyTime start = clock.Now();
  for (int i = 0; i < 10; ++i) WaitForTick(clock);
  EXPECT_EQ(clock.Now(), start + 10 * kTick);
}

TEST(LockstepClockTest, TimePassesOnlyWhenAllMembersWait) {
  constexpr int kTicks = 200;
  LockstepClock clock(kTick);
  clock.Join(2);
  const SteadyTime start = clock.Now();
  std::thread other([&] {
    for (int i = 0; i < kTicks; ++i) WaitForTick(clock);
  });
  for (int i = 0; i < kTicks; ++i) {
    // The other waits for us, however long this thread gets no core.
    std::this_thread::yield();
    EXPECT_EQ(clock.Now(), start + i * kTick);
    WaitForTick(clock);
  }
  other.join();
  EXPECT_EQ(clock.Now(), start + kTicks * kTick);
}

TEST(LockstepClockTest, WhoLeavesIsNotWaitedFor) {
  LockstepClock clock(kTick);
  clock.Join(2);
  const SteadyTime start = clock.Now();
  std::thread other([&] { WaitForTick(clock); });
  clock.Leave();
  other.join();
  EXPECT_EQ(clock.Now(), start + kTick);
  WaitForTick(clock);
  EXPECT_EQ(clock.Now(), start + 2 * kTick);
}

TEST(LockstepClockTest, ALongWaitIsNotAMembers) {
  LockstepClock clock(kTick);
  clock.Join(1);
  const SteadyTime deadline = clock.Now() + 3 * kTick;
  std::thread onlooker([&] {
    absl::Mutex mutex;
    absl::CondVar changed;
    absl::MutexLock lock(&mutex);
    while (!clock.WaitUntil(changed, mutex, deadline)) {
    }
    EXPECT_GE(clock.Now(), deadline);
  });
  for (int i = 0; i < 3; ++i) WaitForTick(clock);
  EXPECT_EQ(clock.Now(), deadline);
  onlooker.join();
}

TEST(LockstepClockTest, AMemberThatIsSignalledWaitsNoMore) {
  LockstepClock clock(kTick);
  clock.Join(2);
  const SteadyTime start = clock.Now();
  absl::Mutex mutex;
  absl::CondVar changed;
  bool is_waiting = false;
  std::thread member([&] {
    absl::MutexLock lock(&mutex);
    is_waiting = true;
    EXPECT_FALSE(clock.WaitUntil(changed, mutex, start + kTick));
  });
  for (bool is_signalled = false; !is_signalled;) {
    absl::MutexLock lock(&mutex);
    is_signalled = is_waiting;
    changed.SignalAll();
  }
  member.join();
  EXPECT_EQ(clock.Now(), start);
  // Two again, of whom one has waited and stopped.
  std::thread other([&] { WaitForTick(clock); });
  WaitForTick(clock);
  other.join();
  EXPECT_EQ(clock.Now(), start + kTick);
}

TEST(LockstepClockTest, CanBeMovedByHand) {
  LockstepClock clock(kTick);
  clock.Join(1);
  const SteadyTime start = clock.Now();
  clock.AdvanceClock(std::chrono::hours(1));
  EXPECT_EQ(clock.Now(), start + std::chrono::hours(1));
}

}  // namespace
}  // namespace eplb
