#include "eplb/state/background/run_schedule.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace eplb {
namespace {

// Ends the run as a closing does on a rank alone.
void Close(RunSchedule& schedule) {
  schedule.End(schedule.BeginClosing(), schedule.last_begin());
}

TEST(RunScheduleTest, ARunBeginsAtTheInterval) {
  RunSchedule schedule;
  EXPECT_FALSE(schedule.BeginsAt(1, false));
  EXPECT_TRUE(schedule.BeginsAt(2, true));
  EXPECT_TRUE(schedule.is_busy());
  EXPECT_EQ(schedule.overdue_steps(), 0);
}

TEST(RunScheduleTest, OneRunForAnInterval) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(2, true));
  Close(schedule);
  EXPECT_FALSE(schedule.BeginsAt(3, false));
  EXPECT_TRUE(schedule.BeginsAt(4, true));
}

TEST(RunScheduleTest, AnIntervalWhileBusyIsMadeUpForAfterTheEnd) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(10, true));
  EXPECT_FALSE(schedule.BeginsAt(20, true));
  EXPECT_FALSE(schedule.BeginsAt(30, true));
  EXPECT_FALSE(schedule.BeginsAt(31, false));
  Close(schedule);
  EXPECT_TRUE(schedule.BeginsAt(32, false));
  EXPECT_EQ(schedule.overdue_steps(), 2);
  Close(schedule);
  EXPECT_FALSE(schedule.BeginsAt(33, false));
}

TEST(RunScheduleTest, NothingBeginsDuringAClosing) {
  RunSchedule schedule;
  const int64_t number = schedule.BeginClosing();
  EXPECT_FALSE(schedule.BeginsAt(10, true));
  schedule.End(number, -1);
  EXPECT_TRUE(schedule.BeginsAt(11, false));
}

TEST(RunScheduleTest, OnlyTheLastClosingEndsTheRun) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(10, true));
  const int64_t first = schedule.BeginClosing();
  const int64_t second = schedule.BeginClosing();
  schedule.End(first, 10);
  EXPECT_TRUE(schedule.is_busy());
  schedule.End(second, 10);
  EXPECT_FALSE(schedule.is_busy());
}

// A rank has begun a run at 20 that failed; this one, which learned only now
// that the run before had ended, does not begin it again.
TEST(RunScheduleTest, ARunThatAnyRankHasBegunIsNotBegunAgain) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(10, true));
  EXPECT_FALSE(schedule.BeginsAt(20, true));
  schedule.End(schedule.BeginClosing(), /*last_begin=*/20);
  EXPECT_FALSE(schedule.BeginsAt(21, false));
  EXPECT_TRUE(schedule.BeginsAt(30, true));
}

TEST(RunScheduleTest, ADrainForgetsWhatIsOverdue) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(10, true));
  EXPECT_FALSE(schedule.BeginsAt(20, true));
  schedule.Drained(22, /*is_closing=*/false);
  EXPECT_FALSE(schedule.BeginsAt(23, false));
  EXPECT_TRUE(schedule.BeginsAt(30, true));
}

TEST(RunScheduleTest, ADrainThatComesAfterAClosingDoesNotEndIt) {
  RunSchedule schedule;
  EXPECT_TRUE(schedule.BeginsAt(10, true));
  const int64_t closing = schedule.BeginClosing();
  schedule.Drained(12, /*is_closing=*/true);
  EXPECT_FALSE(schedule.BeginsAt(20, true));
  schedule.End(closing, /*last_begin=*/10);
  EXPECT_TRUE(schedule.BeginsAt(22, false));
}

}  // namespace
}  // namespace eplb
