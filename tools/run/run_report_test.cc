#include "tools/run/run_report.h"

#include <optional>
#include <vector>

#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/report/report.h"
#include "tools/run/phase_balance.h"
#include "tools/run/run_options.h"
#include "tools/run/run_result.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(RunReportTest, TellsTheRunStepByStep) {
  PhaseBalance balance(/*num_layers=*/1, /*num_ranks=*/2);
  balance.AddLayer(0, {10, 30});
  balance.EndStep(true);
  balance.AddLayer(0, {20, 20});
  balance.EndStep(false);
  RunResult result;
  result.num_ranks = 2;
  result.policy = "greedy";
  result.figures.longest_stall_ns = 500'000'000;
  result.figures.total_stall_ns = 750'000'000;
  const Report report =
      RunReport(RunOptions(), result, balance,
                {{.model = "run",
                  .step = 0,
                  .moved_slots = 2,
                  .moved_bytes = 200,
                  .seconds = 0.5,
                  .plan_seconds = 0.125}},
                {7, 1, 0}, *Placement::Create(1, 3, 4, {0, 1, 2, 0}));
  EXPECT_EQ(report.title, "A live run: greedy on 2 ranks");
  ASSERT_EQ(report.points.size(), 2u);
  EXPECT_DOUBLE_EQ(report.points[0].balancedness, 2.0 / 3);
  EXPECT_EQ(report.points[1].step, 1);
  EXPECT_EQ(report.balancedness_after, 1.0);
  ASSERT_EQ(report.rearrangements.size(), 1u);
  EXPECT_EQ(report.rearrangements[0].step, 1);
  EXPECT_EQ(report.rearrangements[0].moved_bytes, 200);
  EXPECT_EQ(report.rearrangements[0].stall_seconds, 0.5);
  EXPECT_EQ(report.rearrangements[0].plan_seconds, 0.125);
  EXPECT_DOUBLE_EQ(*report.longest_stall_seconds, 0.5);
  EXPECT_DOUBLE_EQ(*report.total_stall_seconds, 0.75);
  ASSERT_TRUE(report.ranks_before.has_value());
  EXPECT_THAT(report.ranks_before->cells, ElementsAre(0.5, 1.5));
  ASSERT_TRUE(report.ranks_after.has_value());
  EXPECT_THAT(report.ranks_after->cells, ElementsAre(1, 1));
  ASSERT_EQ(report.hottest.size(), 2u);
  EXPECT_EQ(report.hottest[0].expert, 0);
  EXPECT_THAT(report.hottest[0].ranks, ElementsAre(0, 1));
}

TEST(RunReportTest, InTheBackgroundOnlyStepsStall) {
  PhaseBalance balance(1, 2);
  balance.AddLayer(0, {10, 30});
  balance.EndStep(true);
  RunResult result;
  result.num_ranks = 2;
  result.use_async = true;
  result.figures.total_stall_ns = 250'000'000;
  const Report report = RunReport(
      RunOptions(), result, balance,
      {{.model = "run", .step = 0, .seconds = 0.5, .plan_seconds = 0.125}},
      {1, 1, 1}, *Placement::Create(1, 3, 4, {0, 1, 2, 0}));
  EXPECT_EQ(report.rearrangements[0].stall_seconds, std::nullopt);
  EXPECT_EQ(report.rearrangements[0].plan_seconds, 0.125);
  EXPECT_DOUBLE_EQ(*report.total_stall_seconds, 0.25);
}

TEST(RunReportTest, LeavesOutWhatDidNotHappen) {
  PhaseBalance balance(1, 2);
  balance.AddLayer(0, {10, 30});
  balance.EndStep(false);
  RunResult result;
  result.num_ranks = 2;
  const Report report = RunReport(RunOptions(), result, balance, {}, {1, 1, 1},
                                  *Placement::Create(1, 3, 4, {0, 1, 2, 0}));
  EXPECT_FALSE(report.balancedness_after.has_value());
  EXPECT_FALSE(report.ranks_after.has_value());
  EXPECT_TRUE(report.rearrangements.empty());
}

}  // namespace
}  // namespace eplb
