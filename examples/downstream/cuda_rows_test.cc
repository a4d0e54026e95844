// Rows of expert weights go to a CUDA device and back.

#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"
#include "testing/status_matchers.h"

namespace downstream {
namespace {

TEST(CudaRowsTest, ComeBackAsTheyWent) {
  constexpr size_t kBytes = 4096;
  eplb::SystemClock clock;
  const absl::StatusOr<std::unique_ptr<eplb::CudaDevice>> found =
      eplb::CudaDevice::Create({}, clock);
  if (absl::IsUnavailable(found.status())) GTEST_SKIP() << found.status();
  EPLB_ASSERT_OK(found);
  eplb::CudaDevice& device = **found;

  EPLB_ASSERT_OK_AND_ASSIGN(
      const eplb::DeviceBuffer sent,
      device.Allocate(kBytes, eplb::MemorySpace::kPinnedHost));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const eplb::DeviceBuffer weights,
      device.Allocate(kBytes, eplb::MemorySpace::kDevice));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const eplb::DeviceBuffer received,
      device.Allocate(kBytes, eplb::MemorySpace::kPinnedHost));
  std::memset(sent.data(), 0x5a, kBytes);
  std::memset(received.data(), 0, kBytes);

  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<eplb::Stream> stream,
                            device.CreateStream());
  EPLB_ASSERT_OK(
      device.CopyBatch({{weights.data(), sent.data(), kBytes}}, *stream));
  EPLB_ASSERT_OK(
      device.CopyBatch({{received.data(), weights.data(), kBytes}}, *stream));
  EPLB_ASSERT_OK(stream->Synchronize(clock.Now() + std::chrono::seconds(30)));
  EXPECT_EQ(std::memcmp(received.data(), sent.data(), kBytes), 0);
}

}  // namespace
}  // namespace downstream
