#include "kernels/cpu/cpu_device.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(CpuDeviceTest, KeepsWeightsInHostMemory) {
  CpuDevice device;
  EXPECT_EQ(device.memory_space(), MemorySpace::kHost);
  EXPECT_THAT(device.Allocate(8, MemorySpace::kDevice),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("host memory only")));
}

TEST(CpuDeviceTest, HasAThreadPerCoreUnlessTold) {
  EXPECT_THAT(CpuDevice().ToString(), HasSubstr("threads"));
  EXPECT_EQ(CpuDevice({.num_threads = 3}).ToString(), "cpu of 3 threads");
}

TEST(CpuDeviceTest, AdoptsNoNativeStreamButNull) {
  CpuDevice device;
  EPLB_EXPECT_OK(device.AdoptStream(nullptr).status());
  int handle = 0;
  EXPECT_THAT(device.AdoptStream(&handle),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the handle must be null")));
}

TEST(CpuDeviceTest, WorkIsDoneWhenTheCallReturns) {
  CpuDevice device;
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device.CreateStream());
  const std::vector<uint8_t> from(100, 7);
  std::vector<uint8_t> to(100);
  EPLB_ASSERT_OK(device.CopyBatch({{to.data(), from.data(), 100}}, *stream));
  EXPECT_EQ(to, from);
  // Also for a deadline that passed long ago.
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> event,
                            stream->Record());
  EXPECT_THAT(event->IsComplete(), IsOkAndHolds(true));
  EPLB_EXPECT_OK(event->Wait(SteadyTime::min()));
  EPLB_EXPECT_OK(stream->Synchronize(SteadyTime::min()));
}

TEST(CpuDeviceTest, TellsTheTimeBetweenTwoPoints) {
  CpuDevice device;
  const SystemClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device.CreateStream());
  const SteadyTime before = clock.Now();
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> begin,
                            stream->RecordTimed());
  const SteadyTime after_begin = clock.Now();
  const SteadyTime before_end = clock.Now();
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> end,
                            stream->RecordTimed());
  const SteadyTime after = clock.Now();
  EPLB_ASSERT_OK_AND_ASSIGN(const std::chrono::nanoseconds between,
                            end->Since(*begin));
  EXPECT_GE(between, before_end - after_begin);
  EXPECT_LE(between, after - before);
  EXPECT_THAT(begin->Since(*end), IsOkAndHolds(-between));
}

TEST(CpuDeviceTest, ServesSeveralThreadsAtOnce) {
  constexpr int kThreads = 4;
  constexpr size_t kBytes = 3 << 20;
  CpuDevice device({.num_threads = 3});
  std::vector<std::vector<uint8_t>> from(kThreads), to(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const auto stream = device.CreateStream();
      from[i].assign(kBytes, i + 1);
      to[i].resize(kBytes);
      std::vector<uint64_t> sums(2);
      for (int round = 0; round < 10; ++round) {
        EPLB_EXPECT_OK(device.CopyBatch(
            {{to[i].data(), from[i].data(), kBytes}}, **stream));
        EPLB_EXPECT_OK(
            device.Checksum({{to[i].data(), kBytes}, {from[i].data(), kBytes}},
                            absl::MakeSpan(sums), **stream, SteadyTime::max()));
        EXPECT_EQ(sums[0], sums[1]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(to, from);
}

}  // namespace
}  // namespace eplb
