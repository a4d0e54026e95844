#include "kernels/cuda/cuda_status.h"

#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(CudaStatusTest, SuccessIsOk) {
  EXPECT_EQ(CudaStatus(cudaSuccess, "cudaMalloc"), absl::OkStatus());
}

TEST(CudaStatusTest, NamesTheCallAndTheError) {
  const absl::Status status =
      CudaStatus(cudaErrorMemoryAllocation, "cudaMalloc");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "cudaMalloc: cudaErrorMemoryAllocation: out of memory");
}

TEST(CudaStatusTest, TellsAMachineWithoutDeviceFromABrokenCall) {
  EXPECT_TRUE(absl::IsUnavailable(CudaStatus(cudaErrorNoDevice, "f")));
  EXPECT_TRUE(
      absl::IsUnavailable(CudaStatus(cudaErrorInsufficientDriver, "f")));
  EXPECT_TRUE(absl::IsInvalidArgument(CudaStatus(cudaErrorInvalidValue, "f")));
  EXPECT_TRUE(absl::IsInternal(CudaStatus(cudaErrorIllegalAddress, "f")));
}

}  // namespace
}  // namespace eplb
