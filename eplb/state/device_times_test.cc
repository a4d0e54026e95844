#include "eplb/state/device_times.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/lazy_device.h"
#include "testing/recording_event_sink.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;

constexpr double kSecondsOfWork =
    std::chrono::duration<double>(LazyDevice::kTimeOfWork).count();

class DeviceTimesTest : public ::testing::Test {
 protected:
  // So many pieces of work, of `step`.
  void Work(Stream& stream, int count, int64_t step) {
    auto begin = stream.RecordTimed();
    for (int i = 0; i < count; ++i) LazyDevice::Add(stream, [] {});
    times_.Add("main", step, std::move(begin), stream.RecordTimed());
  }

  LazyDevice device_;
  const std::unique_ptr<Stream> stream_ = *device_.CreateStream();
  const std::unique_ptr<Stream> other_ = *device_.CreateStream();
  DeviceTimes times_;
  RecordingEventSink events_;
};

TEST_F(DeviceTimesTest, ReportsOnceWhenTheDeviceIsDone) {
  Work(*stream_, 3, /*step=*/7);
  times_.Report(events_);
  EXPECT_TRUE(events_.Events().empty());
  LazyDevice::Run(*stream_);
  times_.Report(events_);
  times_.Report(events_);
  const auto timed = events_.EventsOf<RearrangementTimed>();
  ASSERT_EQ(timed.size(), 1);
  EXPECT_EQ(timed[0].model, "main");
  EXPECT_EQ(timed[0].step, 7);
  EXPECT_DOUBLE_EQ(timed[0].device_seconds, 3 * kSecondsOfWork);
  EXPECT_EQ(device_.num_waits(), 0);
}

TEST_F(DeviceTimesTest, ReportsInOrderWhicheverStreamIsFaster) {
  Work(*stream_, 1, /*step=*/1);
  Work(*other_, 1, /*step=*/2);
  LazyDevice::Run(*other_);
  times_.Report(events_);
  EXPECT_TRUE(events_.Events().empty());
  LazyDevice::Run(*stream_);
  times_.Report(events_);
  EXPECT_THAT(events_.EventsOf<RearrangementTimed>(),
              ElementsAre(Field(&RearrangementTimed::step, 1),
                          Field(&RearrangementTimed::step, 2)));
}

TEST_F(DeviceTimesTest, LeavesOutWhatHasNoTime) {
  times_.Add("main", 1, absl::InternalError("no event"),
             stream_->RecordTimed());
  times_.Add("main", 2, stream_->RecordTimed(),
             absl::InternalError("no event"));
  times_.Add("main", 3, stream_->Record(), stream_->Record());
  Work(*stream_, 1, /*step=*/4);
  LazyDevice::Run(*stream_);
  times_.Report(events_);
  EXPECT_THAT(events_.EventsOf<RearrangementTimed>(),
              ElementsAre(Field(&RearrangementTimed::step, 4)));
}

}  // namespace
}  // namespace eplb
