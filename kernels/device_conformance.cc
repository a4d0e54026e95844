#include "kernels/device_conformance.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ConformanceDeviceName(
    const testing::TestParamInfo<ConformanceDevice>& info) {
  return info.param.name;
}

void DeviceConformanceTest::SetUp() {
  absl::StatusOr<std::unique_ptr<Device>> device = GetParam().make();
  if (absl::IsUnavailable(device.status())) {
    GTEST_SKIP() << device.status().message();
  }
  EPLB_ASSERT_OK(device.status());
  device_ = *std::move(device);
  EPLB_ASSERT_OK(device_->BindThread());
  EPLB_ASSERT_OK_AND_ASSIGN(stream_, device_->CreateStream());
}

SteadyTime DeviceConformanceTest::Far() {
  return SystemClock().Now() + std::chrono::seconds(60);
}

DeviceConformanceTest::Memory DeviceConformanceTest::Allocate(
    size_t num_bytes) {
  absl::StatusOr<DeviceBuffer> of_device =
      device_->Allocate(num_bytes, device_->memory_space());
  absl::StatusOr<DeviceBuffer> mirror =
      device_->Allocate(num_bytes, MemorySpace::kPinnedHost);
  EPLB_EXPECT_OK(of_device.status());
  EPLB_EXPECT_OK(mirror.status());
  std::memset(mirror->data(), 0, num_bytes);
  Memory memory{*std::move(of_device), *std::move(mirror)};
  Upload(memory);
  return memory;
}

DeviceConformanceTest::Memory DeviceConformanceTest::AllocateRandom(
    size_t num_bytes, uint64_t seed) {
  Memory memory = Allocate(num_bytes);
  DeterministicRandom random(seed);
  for (size_t i = 0; i < num_bytes; i += sizeof(uint64_t)) {
    const uint64_t word = random.NextWord();
    std::memcpy(memory.host() + i, &word,
                std::min(sizeof(word), num_bytes - i));
  }
  Upload(memory);
  return memory;
}

void DeviceConformanceTest::Upload(const Memory& memory) {
  CopyNow({{memory.data(), memory.host(), memory.size()}});
}

void DeviceConformanceTest::Download(const Memory& memory) {
  CopyNow({{memory.host(), memory.data(), memory.size()}});
}

void DeviceConformanceTest::CopyNow(const std::vector<CopyRow>& rows) {
  EPLB_ASSERT_OK(device_->CopyBatch(rows, *stream_));
  EPLB_ASSERT_OK(stream_->Synchronize(Far()));
}

namespace {

TEST_P(DeviceConformanceTest, GivesAlignedMemoryOfTheSpaceAskedFor) {
  for (const MemorySpace space :
       {device_->memory_space(), MemorySpace::kPinnedHost}) {
    for (const size_t num_bytes : {size_t{1}, size_t{255}, size_t{3} << 20}) {
      EPLB_ASSERT_OK_AND_ASSIGN(const DeviceBuffer buffer,
                                device_->Allocate(num_bytes, space));
      EXPECT_NE(buffer.data(), nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 256, 0u);
      EXPECT_EQ(buffer.num_bytes(), num_bytes);
      EXPECT_EQ(buffer.space(), space);
    }
  }
}

TEST_P(DeviceConformanceTest, GivesAnEmptyBufferForNoBytes) {
  EPLB_ASSERT_OK_AND_ASSIGN(const DeviceBuffer buffer,
                            device_->Allocate(0, device_->memory_space()));
  EXPECT_EQ(buffer.num_bytes(), 0u);
}

TEST_P(DeviceConformanceTest, RefusesMoreMemoryThanThereIs) {
  for (const MemorySpace space :
       {device_->memory_space(), MemorySpace::kPinnedHost}) {
    EXPECT_THAT(device_->Allocate(size_t{1} << 50, space),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr("1125899906842624 bytes")));
    EXPECT_THAT(device_->Allocate(~size_t{0}, space),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
  // The device is as good as before.
  EPLB_EXPECT_OK(device_->Allocate(64, device_->memory_space()).status());
}

TEST_P(DeviceConformanceTest, SaysWhatItIs) {
  EXPECT_THAT(device_->ToString(), Not(HasSubstr("\n")));
  EXPECT_NE(device_->ToString(), "");
}

TEST_P(DeviceConformanceTest, AnEventIsCompleteAfterTheWorkBeforeIt) {
  const Memory from = AllocateRandom(1 << 20, /*seed=*/1);
  const Memory to = Allocate(1 << 20);
  EPLB_ASSERT_OK(
      device_->CopyBatch({{to.data(), from.data(), to.size()}}, *stream_));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> event,
                            stream_->Record());
  EPLB_ASSERT_OK(event->Wait(Far()));
  EXPECT_THAT(event->IsComplete(), IsOkAndHolds(true));
  EPLB_ASSERT_OK(stream_->Synchronize(Far()));
}

TEST_P(DeviceConformanceTest, TimesOfOneStreamAddUp) {
  const Memory from = AllocateRandom(1 << 20, /*seed=*/1);
  const Memory to = Allocate(1 << 20);
  std::vector<std::unique_ptr<DeviceEvent>> points;
  for (int i = 0; i < 3; ++i) {
    EPLB_ASSERT_OK_AND_ASSIGN(std::unique_ptr<DeviceEvent> point,
                              stream_->RecordTimed());
    points.push_back(std::move(point));
    EPLB_ASSERT_OK(
        device_->CopyBatch({{to.data(), from.data(), to.size()}}, *stream_));
  }
  EPLB_ASSERT_OK(points[2]->Wait(Far()));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::chrono::nanoseconds first,
                            points[1]->Since(*points[0]));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::chrono::nanoseconds second,
                            points[2]->Since(*points[1]));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::chrono::nanoseconds both,
                            points[2]->Since(*points[0]));
  EXPECT_GT(first.count(), 0);
  EXPECT_GT(second.count(), 0);
  // CUDA rounds each of them to half a microsecond.
  EXPECT_NEAR(both.count(), (first + second).count(), 1500);
}

TEST_P(DeviceConformanceTest, HasNoTimeOfAnOrdinaryEvent) {
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> timed,
                            stream_->RecordTimed());
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> untimed,
                            stream_->Record());
  EPLB_ASSERT_OK(untimed->Wait(Far()));
  const auto refuses = StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("RecordTimed has"));
  EXPECT_THAT(untimed->Since(*timed), refuses);
  EXPECT_THAT(timed->Since(*untimed), refuses);
}

TEST_P(DeviceConformanceTest, AStreamWaitsForTheEventOfAnother) {
  const Memory from = AllocateRandom(8 << 20, /*seed=*/1);
  const Memory between = Allocate(8 << 20);
  const Memory to = Allocate(8 << 20);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> other,
                            device_->CreateStream());
  EPLB_ASSERT_OK(device_->CopyBatch(
      {{between.data(), from.data(), from.size()}}, *stream_));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> event,
                            stream_->Record());
  EPLB_ASSERT_OK(other->WaitFor(*event));
  EPLB_ASSERT_OK(
      device_->CopyBatch({{to.data(), between.data(), to.size()}}, *other));
  EPLB_ASSERT_OK(other->Synchronize(Far()));
  Download(to);
  EXPECT_EQ(std::memcmp(to.host(), from.host(), to.size()), 0);
}

TEST_P(DeviceConformanceTest, RefusesStreamsAndEventsOfAnotherDevice) {
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Device> stranger,
                            GetParam().make());
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> strange_stream,
                            stranger->CreateStream());
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> strange_event,
                            strange_stream->Record());
  const auto refuses =
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another device"));
  const Memory memory = Allocate(16);
  uint64_t sum = 0;
  EXPECT_THAT(device_->CopyBatch({}, *strange_stream), refuses);
  EXPECT_THAT(
      device_->Checksum({{memory.data(), memory.size()}},
                        absl::MakeSpan(&sum, 1), *strange_stream, Far()),
      refuses);
  EXPECT_THAT(stream_->WaitFor(*strange_event), refuses);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> own_event,
                            stream_->RecordTimed());
  EXPECT_THAT(own_event->Since(*strange_event), refuses);
}

}  // namespace
}  // namespace eplb
