#include "eplb/state/event_fan_out.h"

#include "eplb/core/event_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/recording_event_sink.h"

namespace eplb {
namespace {

using ::testing::SizeIs;

TEST(EventFanOutTest, PassesEveryEventToEverySink) {
  RecordingEventSink first;
  RecordingEventSink second;
  EventFanOut events({&first, &second});
  events.Record(RearrangementStarted{"main", 7});
  events.Record(RearrangementSkipped{"main", 7, "nothing to do"});
  EXPECT_THAT(first.Events(), SizeIs(2));
  EXPECT_THAT(second.EventsOf<RearrangementSkipped>(), SizeIs(1));
}

}  // namespace
}  // namespace eplb
