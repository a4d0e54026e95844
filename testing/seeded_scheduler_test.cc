#include "testing/seeded_scheduler.h"

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

// The order in which three threads take four turns each.
std::string OrderUnder(uint64_t seed) {
  SeededScheduler scheduler(seed);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    scheduler.Spawn(std::string(1, name), [&scheduler, &order, name] {
      for (int turn = 0; turn < 4; ++turn) {
        order += name;
        scheduler.Yield();
      }
    });
  }
  scheduler.Run();
  return order;
}

TEST(SeededSchedulerTest, TheSeedDecidesTheOrder) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string order = OrderUnder(seed);
    EXPECT_EQ(order.size(), 12);
    EXPECT_EQ(order, OrderUnder(seed)) << "seed " << seed;
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 40);
}

TEST(SeededSchedulerTest, AWaitEndsWhenAnotherThreadHasMadeItsConditionTrue) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SeededScheduler scheduler(seed);
    Clock& clock = scheduler.clock();
    const SteadyTime deadline = clock.Now() + std::chrono::hours(1);
    absl::Mutex mutex;
    absl::CondVar changed;
    bool is_set = false;
    bool was_late = true;
    scheduler.Spawn("waiter", [&] {
      absl::MutexLock lock(&mutex);
      while (!is_set && !clock.WaitUntil(changed, mutex, deadline)) {
      }
      was_late = !is_set;
    });
    scheduler.Spawn("setter", [&] {
      scheduler.Yield();
      absl::MutexLock lock(&mutex);
      is_set = true;
      changed.Signal();
    });
    scheduler.Run();
    EXPECT_FALSE(was_late) << "seed " << seed;
  }
}

TEST(SeededSchedulerTest, AWaitForNothingEndsAtItsDeadline) {
  SeededScheduler scheduler(1);
  Clock& clock = scheduler.clock();
  const SteadyTime begin = clock.Now();
  scheduler.Spawn("waiter", [&] {
    EXPECT_FALSE(scheduler.WaitFor([] { return false; },
                                   begin + std::chrono::minutes(1)));
    EXPECT_GE(clock.Now(), begin + std::chrono::minutes(1));
  });
  scheduler.Run();
  // Time rushes where there is nothing but waiting.
  EXPECT_LT(scheduler.num_choices(), 1000);
}

TEST(SeededSchedulerTest, AThreadMaySpawnAnother) {
  SeededScheduler scheduler(3);
  bool has_run = false;
  scheduler.Spawn("first",
                  [&] { scheduler.Spawn("second", [&] { has_run = true; }); });
  scheduler.Run();
  EXPECT_TRUE(has_run);
}

TEST(SeededSchedulerDeathTest, NamesAThreadThatNeverEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SeededScheduler scheduler(17);
        scheduler.Spawn("spinner", [&] {
          while (true) scheduler.Yield();
        });
        scheduler.Run(/*max_choices=*/100);
      },
      "seed 17: these threads never end: spinner");
}

}  // namespace
}  // namespace eplb
