#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/fill.h"

namespace eplb {
namespace {

constexpr unsigned kThreadsPerBlock = 256;
// Enough to fill any device; more words are more rounds of the grid.
constexpr size_t kMaxBlocks = 4096;

__global__ void FillWords(uint32_t* words, size_t num_words, uint32_t pattern,
                          unsigned num_rest_bytes) {
  const size_t first = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const size_t stride = size_t{gridDim.x} * blockDim.x;
  for (size_t i = first; i < num_words; i += stride) words[i] = pattern;
  if (first < num_rest_bytes) {
    reinterpret_cast<unsigned char*>(words + num_words)[first] =
        static_cast<unsigned char>(pattern >> (8 * first));
  }
}

}  // namespace

absl::Status Fill(void* memory, size_t num_bytes, uint32_t pattern,
                  cudaStream_t stream) {
  if (num_bytes == 0) return absl::OkStatus();
  const auto address = reinterpret_cast<uintptr_t>(memory);
  if (memory == nullptr || address % sizeof(pattern) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("Fill: memory at ", absl::Hex(address), " for ", num_bytes,
                     " bytes: must be a multiple of 4 and not null"));
  }
  const size_t num_words = num_bytes / sizeof(pattern);
  const size_t num_blocks =
      (num_words + kThreadsPerBlock - 1) / kThreadsPerBlock;
  FillWords<<<std::clamp<size_t>(num_blocks, 1, kMaxBlocks), kThreadsPerBlock,
              /*shared_bytes=*/0, stream>>>(
      static_cast<uint32_t*>(memory), num_words, pattern,
      static_cast<unsigned>(num_bytes % sizeof(pattern)));
  return CudaStatus(cudaGetLastError(), "Fill");
}

}  // namespace eplb
