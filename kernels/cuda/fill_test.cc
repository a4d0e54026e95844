#include "kernels/cuda/fill.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "kernels/cuda/gpu_test.h"

namespace eplb {
namespace {

constexpr uint32_t kPattern = 0x04030201;
constexpr unsigned char kUntouched = 0xee;

TEST(FillWithoutGpuTest, RefusesMemoryThatIsNotAligned) {
  alignas(4) unsigned char memory[8];
  EXPECT_TRUE(absl::IsInvalidArgument(Fill(memory + 1, 4, kPattern, nullptr)));
  EXPECT_TRUE(absl::IsInvalidArgument(Fill(nullptr, 4, kPattern, nullptr)));
}

TEST(FillWithoutGpuTest, NothingToFillIsOk) {
  EXPECT_EQ(Fill(nullptr, 0, kPattern, nullptr), absl::OkStatus());
}

class FillTest : public GpuTest, public ::testing::WithParamInterface<size_t> {
 protected:
  void TearDown() override {
    cudaFree(memory_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  // Fills the first `num_bytes` of device memory of the size of `bytes`, and
  // reads all of it.
  void FillAndRead(size_t num_bytes, std::vector<unsigned char>& bytes) {
    ASSERT_EQ(cudaStreamCreate(&stream_), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&memory_, bytes.size()), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(memory_, kUntouched, bytes.size(), stream_),
              cudaSuccess);
    ASSERT_EQ(Fill(memory_, num_bytes, kPattern, stream_), absl::OkStatus());
    ASSERT_EQ(cudaMemcpyAsync(bytes.data(), memory_, bytes.size(),
                              cudaMemcpyDeviceToHost, stream_),
              cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  }

  void* memory_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

TEST_P(FillTest, RepeatsThePatternAndStopsAtTheEnd) {
  const size_t num_bytes = GetParam();
  std::vector<unsigned char> bytes(num_bytes + 64);
  FillAndRead(num_bytes, bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_EQ(bytes[i], i < num_bytes ? i % 4 + 1 : kUntouched) << "byte " << i;
  }
}

// A rest, a full block, more than one, and more words than the grid has
// threads.
INSTANTIATE_TEST_SUITE_P(Sizes, FillTest,
                         ::testing::Values(1, 4, 7, 1024, 1030, 65536,
                                           (8 << 20) + 3));

}  // namespace
}  // namespace eplb
