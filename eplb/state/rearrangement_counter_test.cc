#include "eplb/state/rearrangement_counter.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace eplb {
namespace {

// Steps up to and with the one at which a rearrangement is due.
int64_t StepsUntilDue(RearrangementCounter& counter) {
  const int64_t expected = counter.steps_until_due();
  int64_t steps = 1;
  while (!counter.Advance()) ++steps;
  EXPECT_EQ(steps, expected);
  return steps;
}

TEST(RearrangementCounterTest, IsFirstDueAfterAQuarterOfTheInterval) {
  RearrangementCounter counter(3000);
  EXPECT_EQ(counter.count(), 2250);
  EXPECT_EQ(StepsUntilDue(counter), 750);
  EXPECT_EQ(StepsUntilDue(counter), 3000);
  EXPECT_EQ(counter.count(), 0);
}

TEST(RearrangementCounterTest, RoundsTheQuarterDown) {
  RearrangementCounter counter(10);
  EXPECT_EQ(counter.count(), 8);
  EXPECT_EQ(StepsUntilDue(counter), 2);
}

TEST(RearrangementCounterTest, IsDueAtOnceWhereAQuarterIsNothing) {
  for (int64_t interval = 1; interval < 4; ++interval) {
    RearrangementCounter counter(interval);
    EXPECT_TRUE(counter.Advance());
    EXPECT_EQ(StepsUntilDue(counter), interval);
  }
}

TEST(RearrangementCounterTest, CountsAWholeIntervalAfterAReset) {
  RearrangementCounter counter(8);
  counter.Reset();
  EXPECT_EQ(StepsUntilDue(counter), 8);
}

}  // namespace
}  // namespace eplb
