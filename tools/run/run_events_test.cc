#include "tools/run/run_events.h"

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RunEventsTest, AddsUpWhatMoved) {
  RunEvents events;
  events.Record(RearrangementStarted{.model = "run", .step = 5});
  events.Record(RearrangementFinished{
      .model = "run", .step = 5, .moved_slots = 3, .moved_bytes = 300});
  events.Record(RearrangementSkipped{
      .model = "run", .step = 6, .reason = "nothing to plan from"});
  events.Record(RearrangementFinished{
      .model = "run", .step = 9, .moved_slots = 2, .moved_bytes = 200});
  EXPECT_EQ(events.totals().rearrangements, 2);
  EXPECT_EQ(events.totals().moved_slots, 5);
  EXPECT_EQ(events.totals().moved_bytes, 500);
  ASSERT_EQ(events.rearrangements().size(), 2u);
  EXPECT_EQ(events.rearrangements()[1].step, 9);
  EXPECT_THAT(events.TakeWarnings(), IsEmpty());
}

TEST(RunEventsTest, WarnsOnceOfEachFailure) {
  RunEvents events;
  events.Record(RearrangementFailed{
      .model = "run", .step = 7, .status = absl::AbortedError("no memory")});
  EXPECT_THAT(events.TakeWarnings(),
              ElementsAre("step 7: the rearrangement failed: no memory"));
  EXPECT_THAT(events.TakeWarnings(), IsEmpty());
  EXPECT_EQ(events.totals().rearrangements, 0);
}

}  // namespace
}  // namespace eplb
