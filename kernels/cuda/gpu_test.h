// GpuTest: the base of tests that run on a CUDA device.
//
//   class CudaDeviceTest : public GpuTest {};
//   TEST_F(CudaDeviceTest, ...) { ... }

#ifndef EPLB_KERNELS_CUDA_GPU_TEST_H_
#define EPLB_KERNELS_CUDA_GPU_TEST_H_

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "kernels/cuda/device_info.h"

namespace eplb {

// Skips, with the reason, on a machine without a device. A device that is there
// and does not answer is a failure.
class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = CurrentDeviceInfo().status();
    if (absl::IsUnavailable(status)) {
      GTEST_SKIP() << "no CUDA device: " << status.message();
    }
    ASSERT_TRUE(status.ok()) << status;
  }
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_GPU_TEST_H_
