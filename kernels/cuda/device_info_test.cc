#include "kernels/cuda/device_info.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "kernels/cuda/gpu_test.h"

namespace eplb {
namespace {

TEST(DeviceInfoWithoutGpuTest, IsUnavailableOrADevice) {
  const absl::StatusOr<DeviceInfo> info = CurrentDeviceInfo();
  EXPECT_TRUE(info.ok() || absl::IsUnavailable(info.status())) << info.status();
}

class DeviceInfoTest : public GpuTest {};

TEST_F(DeviceInfoTest, DescribesTheCurrentDevice) {
  const absl::StatusOr<DeviceInfo> info = CurrentDeviceInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_FALSE(info->name.empty());
  EXPECT_GE(info->major, 9) << "this build has code for sm_90 and later only";
  EXPECT_GT(info->num_multiprocessors, 0);
  EXPECT_GT(info->total_memory_bytes, 0u);
  EXPECT_LE(info->free_memory_bytes, info->total_memory_bytes);
}

}  // namespace
}  // namespace eplb
