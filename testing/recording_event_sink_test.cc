#include "testing/recording_event_sink.h"

#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::VariantWith;

TEST(RecordingEventSinkTest, StartsEmpty) {
  EXPECT_THAT(RecordingEventSink().Events(), IsEmpty());
}

TEST(RecordingEventSinkTest, KeepsEventsInOrder) {
  RecordingEventSink sink;
  sink.Record(RearrangementStarted{.model = "a", .step = 3});
  sink.Record(RearrangementFailed{
      .model = "a", .step = 3, .status = absl::UnavailableError("rank 2")});

  EXPECT_THAT(sink.Events(),
              ElementsAre(VariantWith<RearrangementStarted>(
                              Field(&RearrangementStarted::step, 3)),
                          VariantWith<RearrangementFailed>(
                              Field(&RearrangementFailed::status,
                                    absl::UnavailableError("rank 2")))));
}

TEST(RecordingEventSinkTest, FindsTheEventsOfOneKind) {
  RecordingEventSink sink;
  sink.Record(RearrangementStarted{.model = "a", .step = 3});
  sink.Record(StepStatistics{.model = "a", .step = 3});
  sink.Record(RearrangementStarted{.model = "a", .step = 6});

  EXPECT_THAT(sink.EventsOf<RearrangementStarted>(),
              ElementsAre(Field(&RearrangementStarted::step, 3),
                          Field(&RearrangementStarted::step, 6)));
  EXPECT_THAT(sink.EventsOf<RearrangementSkipped>(), IsEmpty());
}

TEST(RecordingEventSinkTest, LosesNoEventOfManyThreads) {
  constexpr int kThreads = 8;
  constexpr int kEvents = 100;
  RecordingEventSink sink;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&sink, thread] {
      for (int step = 0; step < kEvents; ++step) {
        sink.Record(
            StepStatistics{.model = "a", .step = thread * kEvents + step});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::vector<bool> seen(kThreads * kEvents, false);
  for (const StepStatistics& event : sink.EventsOf<StepStatistics>()) {
    seen[event.step] = true;
  }
  EXPECT_THAT(sink.Events(), SizeIs(kThreads * kEvents));
  EXPECT_EQ(seen, std::vector<bool>(kThreads * kEvents, true));
}

}  // namespace
}  // namespace eplb
