#include "kernels/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cuda/gpu_test.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(CudaDeviceWithoutGpuTest, IsUnavailableOrADevice) {
  SystemClock clock;
  const auto device = CudaDevice::Create({}, clock);
  EXPECT_TRUE(device.ok() || absl::IsUnavailable(device.status()))
      << device.status();
}

TEST(CudaDeviceWithoutGpuTest, RefusesADeviceThatIsNotThere) {
  SystemClock clock;
  EXPECT_THAT(CudaDevice::Create({.index = 1000}, clock),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(CudaDevice::Create({.index = -1}, clock),
              StatusIs(absl::StatusCode::kUnavailable));
}

// The rules of Device are tested by the conformance suite; this is what only
// CUDA has.
class CudaDeviceTest : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    EPLB_ASSERT_OK_AND_ASSIGN(device_, CudaDevice::Create({}, clock_));
  }

  SteadyTime Far() const { return clock_.Now() + std::chrono::seconds(60); }

  SystemClock clock_;
  std::unique_ptr<CudaDevice> device_;
};

TEST_F(CudaDeviceTest, CannotReachOrdinaryHostMemory) {
  EXPECT_EQ(device_->memory_space(), MemorySpace::kDevice);
  EXPECT_THAT(device_->Allocate(8, MemorySpace::kHost),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("pinned host memory")));
}

void HoldUntilSet(void* flag) {
  auto* is_set = static_cast<std::atomic<bool>*>(flag);
  while (!*is_set) std::this_thread::yield();
}

TEST_F(CudaDeviceTest, AWaitEndsAtItsDeadline) {
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device_->CreateStream());
  cudaStream_t native = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking),
            cudaSuccess);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> adopted,
                            device_->AdoptStream(native));
  std::atomic<bool> release = false;
  ASSERT_EQ(cudaLaunchHostFunc(native, HoldUntilSet, &release), cudaSuccess);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> event,
                            adopted->Record());
  EXPECT_THAT(event->IsComplete(), IsOkAndHolds(false));
  EXPECT_THAT(event->Wait(clock_.Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(adopted->Synchronize(clock_.Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // Another stream is not held.
  EPLB_EXPECT_OK(stream->Synchronize(Far()));
  release = true;
  EPLB_EXPECT_OK(event->Wait(Far()));
  EPLB_EXPECT_OK(adopted->Synchronize(Far()));
  EXPECT_EQ(cudaStreamDestroy(native), cudaSuccess);
}

TEST_F(CudaDeviceTest, TellsHowLongAStreamWasHeld) {
  cudaStream_t native = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking),
            cudaSuccess);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device_->AdoptStream(native));
  const SteadyTime before = clock_.Now();
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> begin,
                            stream->RecordTimed());
  EPLB_ASSERT_OK(begin->Wait(Far()));
  const SteadyTime held = clock_.Now();
  std::atomic<bool> release = false;
  ASSERT_EQ(cudaLaunchHostFunc(native, HoldUntilSet, &release), cudaSuccess);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceEvent> end,
                            stream->RecordTimed());
  const auto has_no_time = StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("has no time yet"));
  EXPECT_THAT(end->Since(*begin), has_no_time);
  EXPECT_THAT(begin->Since(*end), has_no_time);
  while (clock_.Now() - held < std::chrono::milliseconds(5)) {
    std::this_thread::yield();
  }
  const std::chrono::nanoseconds at_least = clock_.Now() - held;
  release = true;
  EPLB_ASSERT_OK(end->Wait(Far()));
  const std::chrono::nanoseconds at_most = clock_.Now() - before;
  EPLB_ASSERT_OK_AND_ASSIGN(const std::chrono::nanoseconds between,
                            end->Since(*begin));
  // Two clocks need not agree to the last digit.
  EXPECT_GT(between, at_least * 99 / 100);
  EXPECT_LT(between, at_most * 101 / 100);
  EXPECT_EQ(cudaStreamDestroy(native), cudaSuccess);
}

// Captures a pass and an update of the table's memory stays outside: replays
// see the new table, ids and number of valid tokens at the old addresses.
TEST_F(CudaDeviceTest, ACapturedPassSeesWhatStandsInMemoryAtEachReplay) {
  cudaStream_t native = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking),
            cudaSuccess);
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device_->AdoptStream(native));
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows first, RouteRows::Create(1, {0}));
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows second,
                            RouteRows::Create(1, {-1, 0}));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const auto table,
      RouteTable::Create(*device_, first, /*max_slots=*/2, *stream, Far()));
  constexpr int kTokens = 5000;
  constexpr size_t kBytes = kTokens * sizeof(int32_t);
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DeviceBuffer ids,
      device_->Allocate(kBytes, MemorySpace::kPinnedHost));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DeviceBuffer slot_ids,
      device_->Allocate(kBytes, MemorySpace::kPinnedHost));
  EPLB_ASSERT_OK_AND_ASSIGN(const DeviceBuffer others,
                            device_->Allocate(64, MemorySpace::kPinnedHost));
  std::memset(ids.data(), 0, kBytes);
  std::memset(others.data(), 0, 64);
  auto* counts = reinterpret_cast<int32_t*>(others.data());
  int32_t* num_valid = counts + 2;
  *num_valid = kTokens;

  ASSERT_EQ(cudaStreamBeginCapture(native, cudaStreamCaptureModeGlobal),
            cudaSuccess);
  EPLB_EXPECT_OK(device_->MapAndRecord(
      {.table = table->view(),
       .logical_ids = ids.data(),
       .num_tokens = kTokens,
       .top_k = 1,
       .num_valid_tokens = num_valid,
       .slot_ids = reinterpret_cast<int32_t*>(slot_ids.data()),
       .slot_counts = counts},
      *stream));
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(native, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);

  ASSERT_EQ(cudaGraphLaunch(executable, native), cudaSuccess);
  EPLB_ASSERT_OK(stream->Synchronize(Far()));
  EXPECT_EQ(counts[0], kTokens);
  *num_valid = 100;
  EPLB_ASSERT_OK(table->Update(second, *stream, Far()));
  ASSERT_EQ(cudaGraphLaunch(executable, native), cudaSuccess);
  EPLB_ASSERT_OK(stream->Synchronize(Far()));
  EXPECT_EQ(counts[0], kTokens);
  EXPECT_EQ(counts[1], 100);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  EXPECT_EQ(cudaStreamDestroy(native), cudaSuccess);
}

}  // namespace
}  // namespace eplb
