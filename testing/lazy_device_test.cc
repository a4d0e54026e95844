#include "testing/lazy_device.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

class LazyDeviceTest : public ::testing::Test {
 protected:
  LazyDevice device_;
  const std::unique_ptr<Stream> stream_ = *device_.CreateStream();
  const std::unique_ptr<Stream> other_ = *device_.CreateStream();
};

TEST_F(LazyDeviceTest, CopiesWhenSomebodyWaits) {
  const int source = 7;
  int copy = 0;
  EPLB_ASSERT_OK(device_.CopyBatch({{&copy, &source, sizeof(int)}}, *stream_));
  const std::unique_ptr<DeviceEvent> copied = *stream_->Record();
  EXPECT_EQ(copy, 0);
  EXPECT_FALSE(*copied->IsComplete());
  EXPECT_EQ(device_.num_waits(), 0);
  EPLB_EXPECT_OK(copied->Wait(SteadyTime::max()));
  EXPECT_EQ(copy, 7);
  EXPECT_TRUE(*copied->IsComplete());
  EXPECT_EQ(device_.num_waits(), 1);
  // There is nothing left to wait for.
  EPLB_EXPECT_OK(stream_->Synchronize(SteadyTime::max()));
  EXPECT_EQ(device_.num_waits(), 1);
}

TEST_F(LazyDeviceTest, RunsNoMoreThanWhatIsWaitedFor) {
  std::vector<int> order;
  LazyDevice::Add(*stream_, [&] { order.push_back(1); });
  const std::unique_ptr<DeviceEvent> first = *stream_->Record();
  LazyDevice::Add(*stream_, [&] { order.push_back(2); });
  LazyDevice::Add(*other_, [&] { order.push_back(3); });
  EPLB_EXPECT_OK(first->Wait(SteadyTime::max()));
  EXPECT_THAT(order, ElementsAre(1));
  EPLB_EXPECT_OK(other_->Synchronize(SteadyTime::max()));
  EXPECT_THAT(order, ElementsAre(1, 3));
}

TEST_F(LazyDeviceTest, ComesFarByItself) {
  bool has_run = false;
  LazyDevice::Add(*stream_, [&] { has_run = true; });
  const std::unique_ptr<DeviceEvent> done = *stream_->Record();
  LazyDevice::Run(*stream_);
  EXPECT_TRUE(has_run);
  EXPECT_TRUE(*done->IsComplete());
  EXPECT_EQ(device_.num_waits(), 0);
}

TEST_F(LazyDeviceTest, TellsTheTimeOfTheWorkBetweenTwoPoints) {
  const std::unique_ptr<DeviceEvent> begin = *stream_->RecordTimed();
  LazyDevice::Add(*stream_, [] {});
  LazyDevice::Add(*stream_, [] {});
  const std::unique_ptr<DeviceEvent> end = *stream_->RecordTimed();
  LazyDevice::Add(*stream_, [] {});
  EXPECT_THAT(end->Since(*begin),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(device_.num_waits(), 0);
  LazyDevice::Run(*stream_);
  EXPECT_THAT(end->Since(*begin), IsOkAndHolds(2 * LazyDevice::kTimeOfWork));
  EXPECT_THAT(end->Since(**stream_->Record()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LazyDeviceTest, OrdersStreamsThatWaitForEachOther) {
  std::vector<int> order;
  LazyDevice::Add(*stream_, [&] { order.push_back(1); });
  EPLB_ASSERT_OK(other_->WaitFor(**stream_->Record()));
  LazyDevice::Add(*stream_, [&] { order.push_back(2); });
  LazyDevice::Add(*other_, [&] { order.push_back(3); });
  EPLB_EXPECT_OK(other_->Synchronize(SteadyTime::max()));
  EXPECT_THAT(order, ElementsAre(1, 3));
}

TEST_F(LazyDeviceTest, SumsUpAfterTheEarlierWorkOfTheStream) {
  const std::array<char, 4> source = {1, 2, 3, 4};
  std::array<char, 4> copy = {};
  uint64_t sum = 0;
  uint64_t expected = 0;
  EPLB_ASSERT_OK(device_.Checksum({{source.data(), source.size()}},
                                  {&expected, 1}, *stream_, SteadyTime::max()));
  EPLB_ASSERT_OK(device_.CopyBatch(
      {{copy.data(), source.data(), source.size()}}, *stream_));
  EPLB_ASSERT_OK(device_.Checksum({{copy.data(), copy.size()}}, {&sum, 1},
                                  *stream_, SteadyTime::max()));
  EXPECT_EQ(sum, expected);
}

}  // namespace
}  // namespace eplb
