#include "eplb/state/chrome_trace_event_sink.h"

#include <chrono>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/fake_clock.h"

namespace eplb {
namespace {

TEST(ChromeTraceEventSinkTest, ShowsEachRearrangementFromStartToEnd) {
  FakeClock clock;
  ChromeTraceEventSink trace(clock, /*rank=*/3);
  clock.AdvanceClock(std::chrono::milliseconds(2));
  trace.Record(RearrangementStarted{"main", 7});
  clock.AdvanceClock(std::chrono::milliseconds(5));
  trace.Record(RearrangementFinished{
      .model = "main", .step = 7, .moved_slots = 4, .moved_bytes = 64});
  trace.Record(RearrangementStarted{"main", 9});
  trace.Record(RearrangementFailed{"main", 9, absl::InternalError("why")});
  const auto events = nlohmann::json::parse(trace.Json())["traceEvents"];
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0], nlohmann::json::parse(R"({
      "name": "rearrangement of main", "cat": "eplb", "ph": "X", "pid": 3,
      "tid": 0, "ts": 2000.0, "dur": 5000.0,
      "args": {"outcome": "finished", "step": 7, "moved_slots": 4,
               "moved_bytes": 64}})"));
  EXPECT_EQ(events[1]["args"]["outcome"], "failed: INTERNAL: why");
}

TEST(ChromeTraceEventSinkTest, AddsTheTimeOfTheDeviceWhenItIsTold) {
  FakeClock clock;
  ChromeTraceEventSink trace(clock, /*rank=*/0);
  for (int step = 0; step < 2; ++step) {
    trace.Record(RearrangementStarted{"main", step});
    trace.Record(RearrangementFinished{.model = "main", .step = step});
  }
  trace.Record(RearrangementTimed{"main", 0, 0.5});
  trace.Record(RearrangementTimed{"forgotten", 0, 0.5});
  const auto events = nlohmann::json::parse(trace.Json())["traceEvents"];
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0]["args"]["device_microseconds"], 500000);
  EXPECT_FALSE(events[1]["args"].contains("device_microseconds"));
}

TEST(ChromeTraceEventSinkTest, TellsTheRearrangementsOfAStepApart) {
  FakeClock clock;
  ChromeTraceEventSink trace(clock, /*rank=*/0);
  trace.Record(RearrangementStarted{"main", 7});
  trace.Record(RearrangementSkipped{"main", 7, "no tokens"});
  for (int i = 0; i < 2; ++i) {
    trace.Record(RearrangementStarted{"main", 7});
    trace.Record(RearrangementFinished{.model = "main", .step = 7});
  }
  trace.Record(RearrangementTimed{"main", 7, 0.5});
  trace.Record(RearrangementTimed{"main", 7, 0.25});
  const auto events = nlohmann::json::parse(trace.Json())["traceEvents"];
  ASSERT_EQ(events.size(), 3);
  EXPECT_FALSE(events[0]["args"].contains("device_microseconds"));
  EXPECT_EQ(events[1]["args"]["device_microseconds"], 500000);
  EXPECT_EQ(events[2]["args"]["device_microseconds"], 250000);
}

TEST(ChromeTraceEventSinkTest, KeepsTheLatest) {
  FakeClock clock;
  ChromeTraceEventSink trace(clock, /*rank=*/0, /*max_spans=*/2);
  for (int step = 0; step < 5; ++step) {
    trace.Record(RearrangementStarted{"main", step});
    trace.Record(RearrangementSkipped{"main", step, "no tokens"});
  }
  const auto events = nlohmann::json::parse(trace.Json())["traceEvents"];
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0]["args"]["step"], 3);
  EXPECT_EQ(events[1]["args"]["step"], 4);
}

}  // namespace
}  // namespace eplb
