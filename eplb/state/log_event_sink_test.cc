#include "eplb/state/log_event_sink.h"

#include <cstddef>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "eplb/core/event_sink.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(LogEventSinkTest, DescribesEveryEventInALine) {
  StepStatistics step;
  step.model = "main";
  step.step = 41;
  step.balancedness = 0.8125;
  step.avg_tokens = 13;
  step.max_tokens = 16;
  step.steps_until_rearrangement = 9;
  EXPECT_EQ(DescribeEvent(step),
            "main: step 41: balancedness 0.8125, tokens per rank 13 on average "
            "and 16 at most, next rearrangement in 9 steps");
  step.predicted = true;
  EXPECT_THAT(DescribeEvent(step), HasSubstr("0.8125 (predicted)"));
  EXPECT_EQ(DescribeEvent(RearrangementStarted{"main", 1}),
            "main: step 1: rearranging experts");
  EXPECT_EQ(DescribeEvent(RearrangementStarted{"main", 1, 7}),
            "main: step 1: rearranging experts, overdue by 7 steps");
  EXPECT_EQ(DescribeEvent(BackgroundFailed{7, absl::AbortedError("gone")}),
            "step 7: the background has failed: ABORTED: gone");
  EXPECT_EQ(DescribeEvent(FenceWait{"main", 5, 10, {1, 2, 6}}),
            "main: step 5: has waited for 10.0 s to learn when layers switch; "
            "silent background workers: ranks 1-2, 6");
  EXPECT_EQ(
      DescribeEvent(RearrangementFinished{.model = "main",
                                          .step = 2,
                                          .moved_slots = 3,
                                          .moved_bytes = 400,
                                          .seconds = 0.25,
                                          .balancedness_before = 0.5,
                                          .balancedness_planned = 0.75}),
      "main: step 2: rearranged experts in 0.250 s: 3 slots and 400 bytes "
      "moved, balancedness 0.7500 planned where there was 0.5000");
  EXPECT_EQ(DescribeEvent(RearrangementTimed{"main", 2, 0.00125}),
            "main: step 2: the rearrangement has held up the device's stream "
            "for 0.001250 s");
  EXPECT_EQ(DescribeEvent(RearrangementSkipped{"main", 3, "no tokens"}),
            "main: step 3: rearrangement skipped: no tokens");
  EXPECT_THAT(DescribeEvent(RearrangementFailed{
                  "main", 4, absl::UnavailableError("rank 2 has left")}),
              AllOf(HasSubstr("main: step 4: rearrangement failed"),
                    HasSubstr("rank 2 has left")));
}

// What is logged while it lives.
class LogLines final : public google::LogSink {
 public:
  LogLines() { google::AddLogSink(this); }
  ~LogLines() override { google::RemoveLogSink(this); }

  void send(google::LogSeverity severity, const char*, const char*, int,
            const std::tm*, const char* message, size_t length) override {
    lines.push_back({severity, std::string(message, length)});
  }

  std::vector<std::pair<google::LogSeverity, std::string>> lines;
};

TEST(LogEventSinkTest, LogsWithTheSeverityOfTheEvent) {
  LogEventSink sink;
  LogLines log;
  sink.Record(RearrangementStarted{"main", 1});
  sink.Record(RearrangementSkipped{"main", 1, "no tokens"});
  sink.Record(RearrangementFailed{"main", 2, absl::UnavailableError("gone")});
  EXPECT_THAT(log.lines,
              ElementsAre(Pair(google::GLOG_INFO, HasSubstr("rearranging")),
                          Pair(google::GLOG_WARNING, HasSubstr("no tokens")),
                          Pair(google::GLOG_ERROR, HasSubstr("gone"))));
}

TEST(LogEventSinkTest, LogsWhatAPolicyWarnsOfOncePerModel) {
  LogEventSink sink;
  LogLines log;
  for (const char* const model : {"main", "main", "drafter"}) {
    sink.Record(RearrangementSkipped{model, 1, "no gain", {"one node"}});
    sink.Record(
        RearrangementFinished{.model = model, .warnings = {"one node"}});
  }
  std::vector<std::string> warnings;
  for (const auto& [severity, line] : log.lines) {
    if (absl::StrContains(line, "one node")) warnings.push_back(line);
  }
  EXPECT_THAT(warnings, ElementsAre("main: one node", "drafter: one node"));
}

TEST(LogEventSinkTest, ShowsWhatWasPlannedBesideWhatCameOfIt) {
  StepStatistics step;
  step.balancedness = 0.75;
  step.balancedness_planned = 0.875;
  EXPECT_THAT(DescribeEvent(step),
              AllOf(HasSubstr("balancedness 0.7500"),
                    HasSubstr("the new placement was to have 0.8750")));
}

}  // namespace
}  // namespace eplb
