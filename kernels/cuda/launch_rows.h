// LaunchRows: the rows of one kernel launch, handed over as its parameter.
//
//   LaunchRows<CopyRow> launch;
//   while (!rows.empty()) {
//     rows.remove_prefix(FillLaunch(rows, launch));
//     Kernel<<<..., stream>>>(launch);
//   }
//
// A parameter needs no memory that somebody has to keep until the kernel has
// run, so launches allocate nothing and can be captured in graphs.

#ifndef EPLB_KERNELS_CUDA_LAUNCH_ROWS_H_
#define EPLB_KERNELS_CUDA_LAUNCH_ROWS_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// Parameters of a kernel may have 32,764 bytes from CUDA 12.1 on, 4,096 before.
#if CUDART_VERSION >= 12010
inline constexpr int kMaxRowsPerLaunch = 1024;
#else
inline constexpr int kMaxRowsPerLaunch = 128;
#endif

// What a warp works on at a time: enough that finding the row does not count,
// little enough that a few large rows keep all warps busy.
inline constexpr size_t kChunkBytes = 16 << 10;

// `Row` has a member num_bytes.
template <typename Row>
struct LaunchRows {
  Row rows[kMaxRowsPerLaunch];
  // The chunks of all rows before; the last one of `num_rows` + 1 is of all.
  uint32_t first_chunk[kMaxRowsPerLaunch + 1];
  int num_rows;
};

// Puts as many of the first `rows` into `launch` as there is room for, and
// returns how many. No machine has memory for 2^32 chunks.
template <typename Row>
size_t FillLaunch(absl::Span<const Row> rows, LaunchRows<Row>& launch) {
  uint32_t num_chunks = 0;
  size_t taken = 0;
  for (; taken < rows.size() && taken < kMaxRowsPerLaunch; ++taken) {
    launch.rows[taken] = rows[taken];
    launch.first_chunk[taken] = num_chunks;
    num_chunks += static_cast<uint32_t>(
        (rows[taken].num_bytes + kChunkBytes - 1) / kChunkBytes);
  }
  launch.first_chunk[taken] = num_chunks;
  launch.num_rows = static_cast<int>(taken);
  return taken;
}

// A chunk as a part of its row.
struct Chunk {
  int row;
  size_t offset;
  size_t num_bytes;
};

#if defined(__CUDACC__)

template <typename Row>
__device__ Chunk ChunkAt(const LaunchRows<Row>& launch, uint32_t index) {
  // The last row that begins at the chunk or before it; rows of nothing begin
  // where the next one does.
  int low = 0;
  int high = launch.num_rows;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (launch.first_chunk[middle] <= index) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const size_t offset = (index - launch.first_chunk[low]) * kChunkBytes;
  const size_t rest = launch.rows[low].num_bytes - offset;
  return {low, offset, rest < kChunkBytes ? rest : kChunkBytes};
}

#endif  // defined(__CUDACC__)

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_LAUNCH_ROWS_H_
