#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "kernels/cuda/checksum_kernel.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/launch_rows.h"
#include "kernels/device.h"
#include "kernels/row_checksum.h"

namespace eplb {
namespace {

constexpr unsigned kWarpLanes = 32;
constexpr unsigned kThreadsPerBlock = 256;
constexpr unsigned kWarpsPerBlock = kThreadsPerBlock / kWarpLanes;
constexpr unsigned kBlocksPerMultiprocessor = 8;

using Byte = unsigned char;
using Word = uint64_t;

static_assert(kChunkBytes % sizeof(Word) == 0,
              "a chunk begins where a word does");

__device__ Word KeyOf(uint64_t word) { return (word + 1) * kChecksumStep; }

// The sum over every 32nd of the first `count` words at `bytes`; `first_word`
// is the index of the first of them in its row.
__device__ Word SumOfWords(const Byte* bytes, size_t count, uint64_t first_word,
                           unsigned lane) {
  const auto address = reinterpret_cast<uintptr_t>(bytes);
  const unsigned shift = address % sizeof(Word) * 8;
  Word sum = 0;
  if (shift == 0) {
    const auto* words = reinterpret_cast<const Word*>(bytes);
#pragma unroll 8
    for (size_t i = lane; i < count; i += kWarpLanes) {
      sum += ChecksumTerm(__ldcs(words + i), KeyOf(first_word + i));
    }
    return sum;
  }
  const auto* words =
      reinterpret_cast<const Word*>(address & ~uintptr_t{sizeof(Word) - 1});
#pragma unroll 4
  for (size_t i = lane; i < count; i += kWarpLanes) {
    const Word word = __ldg(words + i) >> shift | __ldg(words + i + 1)
                                                      << (64 - shift);
    sum += ChecksumTerm(word, KeyOf(first_word + i));
  }
  return sum;
}

// The word of which only the first `num_bytes` belong to the row.
__device__ Word WordOfBytes(const Byte* bytes, size_t num_bytes) {
  Word word = 0;
  for (size_t i = 0; i < num_bytes && i < sizeof(Word); ++i) {
    word |= Word{bytes[i]} << (8 * i);
  }
  return word;
}

// This lane's part of what a chunk adds.
__device__ Word SumOfChunk(const Byte* bytes, size_t num_bytes,
                           uint64_t first_word, unsigned lane) {
  size_t count = num_bytes / sizeof(Word);
  // Off the boundary the last word is read together with bytes that may lie
  // past the row.
  const bool is_aligned =
      reinterpret_cast<uintptr_t>(bytes) % sizeof(Word) == 0;
  if (!is_aligned && count > 0) --count;
  Word sum = SumOfWords(bytes, count, first_word, lane);
  // What is left is less than two words.
  const size_t done = (count + lane) * sizeof(Word);
  if (done < num_bytes) {
    if (lane < 2) {
      sum += ChecksumTerm(WordOfBytes(bytes + done, num_bytes - done),
                          KeyOf(first_word + count + lane));
    }
  }
  return sum;
}

__global__ void __launch_bounds__(kThreadsPerBlock)
    AddRowSums(const __grid_constant__ LaunchRows<ConstRow> launch,
               unsigned long long* sums) {
  const unsigned lane = threadIdx.x % kWarpLanes;
  const uint32_t num_chunks = launch.first_chunk[launch.num_rows];
  const uint32_t num_warps = gridDim.x * kWarpsPerBlock;
  for (uint32_t i = blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarpLanes;
       i < num_chunks; i += num_warps) {
    const Chunk chunk = ChunkAt(launch, i);
    Word sum = SumOfChunk(
        static_cast<const Byte*>(launch.rows[chunk.row].data) + chunk.offset,
        chunk.num_bytes, chunk.offset / sizeof(Word), lane);
    for (unsigned distance = kWarpLanes / 2; distance > 0; distance /= 2) {
      sum += __shfl_down_sync(0xffffffffu, sum, distance);
    }
    if (lane == 0) atomicAdd(sums + chunk.row, sum);
  }
}

}  // namespace

absl::Status LaunchRowSums(absl::Span<const ConstRow> rows, uint64_t* sums,
                           int num_multiprocessors, cudaStream_t stream) {
  static_assert(sizeof(unsigned long long) == sizeof(uint64_t));
  const auto launch = std::make_unique<LaunchRows<ConstRow>>();
  while (!rows.empty()) {
    const size_t taken = FillLaunch(rows, *launch);
    const uint32_t num_chunks = launch->first_chunk[launch->num_rows];
    if (num_chunks > 0) {
      const unsigned num_blocks =
          std::min((num_chunks - 1) / kWarpsPerBlock + 1,
                   kBlocksPerMultiprocessor * num_multiprocessors);
      AddRowSums<<<num_blocks, kThreadsPerBlock, /*shared_bytes=*/0, stream>>>(
          *launch, reinterpret_cast<unsigned long long*>(sums));
      EPLB_RETURN_IF_ERROR(CudaStatus(cudaGetLastError(), "AddRowSums"));
    }
    rows.remove_prefix(taken);
    sums += taken;
  }
  return absl::OkStatus();
}

}  // namespace eplb
