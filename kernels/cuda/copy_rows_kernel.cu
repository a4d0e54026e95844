#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "kernels/cuda/copy_rows_kernel.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/launch_rows.h"
#include "kernels/device.h"

namespace eplb {
namespace {

constexpr unsigned kWarpLanes = 32;
constexpr unsigned kThreadsPerBlock = 256;
constexpr unsigned kWarpsPerBlock = kThreadsPerBlock / kWarpLanes;
// With kLoadsInFlight of 16 bytes per thread these keep some hundred KiB per
// multiprocessor under way, more than memory's latency takes.
constexpr unsigned kBlocksPerMultiprocessor = 8;
constexpr unsigned kLoadsInFlight = 4;

using Byte = unsigned char;
using Word = uint32_t;

// Copies `count` vectors of 16 bytes. Both addresses are multiples of 16.
__device__ void CopyVectors(uint4* to, const uint4* from, size_t count,
                            unsigned lane) {
  constexpr size_t kStep = kWarpLanes * kLoadsInFlight;
  size_t i = lane;
  for (; i + kStep - kWarpLanes < count; i += kStep) {
    uint4 vectors[kLoadsInFlight];
#pragma unroll
    for (unsigned j = 0; j < kLoadsInFlight; ++j) {
      vectors[j] = __ldcs(from + i + j * kWarpLanes);
    }
#pragma unroll
    for (unsigned j = 0; j < kLoadsInFlight; ++j) {
      __stcs(to + i + j * kWarpLanes, vectors[j]);
    }
  }
  for (; i < count; i += kWarpLanes) __stcs(to + i, __ldcs(from + i));
}

// As CopyVectors, from `shift` bits, which is not 0, past the beginning of
// `from`. Reads one word more.
__device__ void CopyShifted(uint4* to, const Word* from, unsigned shift,
                            size_t count, unsigned lane) {
#pragma unroll 2
  for (size_t i = lane; i < count; i += kWarpLanes) {
    Word words[5];
#pragma unroll
    for (int j = 0; j < 5; ++j) words[j] = __ldg(from + 4 * i + j);
    __stcs(to + i, make_uint4(__funnelshift_r(words[0], words[1], shift),
                              __funnelshift_r(words[1], words[2], shift),
                              __funnelshift_r(words[2], words[3], shift),
                              __funnelshift_r(words[3], words[4], shift)));
  }
}

// As CopyVectors, from a multiple of 4.
__device__ void CopyWords(uint4* to, const Word* from, size_t count,
                          unsigned lane) {
#pragma unroll 4
  for (size_t i = lane; i < count; i += kWarpLanes) {
    __stcs(to + i,
           make_uint4(__ldg(from + 4 * i), __ldg(from + 4 * i + 1),
                      __ldg(from + 4 * i + 2), __ldg(from + 4 * i + 3)));
  }
}

// One warp copies one chunk: single bytes up to a destination that is a
// multiple of 16, vectors, and single bytes again.
__device__ void CopyChunk(Byte* to, const Byte* from, size_t num_bytes,
                          unsigned lane) {
  const size_t to_boundary = -reinterpret_cast<uintptr_t>(to) % sizeof(uint4);
  const size_t before = to_boundary < num_bytes ? to_boundary : num_bytes;
  if (lane < before) to[lane] = from[lane];
  to += before;
  from += before;
  num_bytes -= before;
  auto* vectors = reinterpret_cast<uint4*>(to);
  size_t count = num_bytes / sizeof(uint4);
  const auto address = reinterpret_cast<uintptr_t>(from);
  const unsigned shift = address % sizeof(Word) * 8;
  if (address % sizeof(uint4) == 0) {
    CopyVectors(vectors, reinterpret_cast<const uint4*>(from), count, lane);
  } else if (shift == 0) {
    CopyWords(vectors, reinterpret_cast<const Word*>(from), count, lane);
  } else {
    // The last one would read a word that reaches past the row.
    if (count > 0) --count;
    CopyShifted(vectors, reinterpret_cast<const Word*>(address & ~uintptr_t{3}),
                shift, count, lane);
  }
  // At most 31: a vector less one byte, and the one left out.
  const size_t done = count * sizeof(uint4);
  if (lane < num_bytes - done) to[done + lane] = from[done + lane];
}

__global__ void __launch_bounds__(kThreadsPerBlock)
    CopyRows(const __grid_constant__ LaunchRows<CopyRow> launch) {
  const unsigned lane = threadIdx.x % kWarpLanes;
  const uint32_t num_chunks = launch.first_chunk[launch.num_rows];
  const uint32_t num_warps = gridDim.x * kWarpsPerBlock;
  for (uint32_t i = blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarpLanes;
       i < num_chunks; i += num_warps) {
    const Chunk chunk = ChunkAt(launch, i);
    const CopyRow& row = launch.rows[chunk.row];
    CopyChunk(static_cast<Byte*>(row.destination) + chunk.offset,
              static_cast<const Byte*>(row.source) + chunk.offset,
              chunk.num_bytes, lane);
  }
}

}  // namespace

absl::Status LaunchCopyRows(absl::Span<const CopyRow> rows,
                            int num_multiprocessors, cudaStream_t stream) {
  // Too large for the stacks of some threads.
  const auto launch = std::make_unique<LaunchRows<CopyRow>>();
  while (!rows.empty()) {
    rows.remove_prefix(FillLaunch(rows, *launch));
    const uint32_t num_chunks = launch->first_chunk[launch->num_rows];
    if (num_chunks == 0) continue;
    const unsigned num_blocks =
        std::min((num_chunks - 1) / kWarpsPerBlock + 1,
                 kBlocksPerMultiprocessor * num_multiprocessors);
    CopyRows<<<num_blocks, kThreadsPerBlock, /*shared_bytes=*/0, stream>>>(
        *launch);
    EPLB_RETURN_IF_ERROR(CudaStatus(cudaGetLastError(), "CopyRows"));
  }
  return absl::OkStatus();
}

}  // namespace eplb
