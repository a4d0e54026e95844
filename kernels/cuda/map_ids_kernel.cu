#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/map_ids_kernel.h"
#include "kernels/map_and_record.h"

namespace eplb {
namespace {

constexpr unsigned kThreadsPerBlock = 512;
constexpr unsigned kIdsPerThread = 2;
constexpr unsigned kMaxBlocks = 264;

// Counts of hot slots collide, so each block counts in its own shared memory
// first; not when that is more than every multiprocessor has, or when there
// are so few ids that clearing and adding up would be most of the work.
constexpr int kMaxSharedCounts = 8192;
constexpr int64_t kMinIdsForSharedCounts = 2048;

__device__ uint32_t Replica(const MapAndRecordPass& pass, uint32_t expert,
                            uint32_t begin, uint32_t count, uint32_t position) {
  if (pass.choice == ReplicaChoice::kHash) {
    return HashReplica(position, pass.table.reciprocals[expert], count);
  }
  if (pass.choice == ReplicaChoice::kSpread) {
    return SpreadReplica(position, count);
  }
  const uint32_t* ends = pass.table.share_ends + begin;
  uint32_t replica = 0;
  while (replica + 1 < count && ends[replica] <= position / 2) ++replica;
  return replica;
}

template <typename Id>
__device__ int32_t SlotOf(const MapAndRecordPass& pass, uint32_t index,
                          uint32_t token, uint32_t offset) {
  // A negative id becomes a very large one.
  const auto expert =
      static_cast<uint64_t>(static_cast<const Id*>(pass.logical_ids)[index]);
  if (expert >= static_cast<uint64_t>(pass.table.num_experts)) return -1;
  const uint32_t begin = pass.table.row_begin[expert];
  const uint32_t count = pass.table.row_begin[expert + 1] - begin;
  if (count == 0) return -1;
  return pass.table.slots[begin + Replica(pass, expert, begin, count,
                                          ReplicaPosition(token, offset))];
}

template <typename Id, bool kSharedCounts>
__global__ void __launch_bounds__(kThreadsPerBlock)
    MapIds(const __grid_constant__ MapAndRecordPass pass, uint32_t offset) {
  extern __shared__ int32_t shared_counts[];
  const int num_counts = pass.table.max_slots;
  if (kSharedCounts) {
    for (int i = threadIdx.x; i < num_counts; i += blockDim.x) {
      shared_counts[i] = 0;
    }
    __syncthreads();
  }
  int32_t* counts = kSharedCounts ? shared_counts : pass.slot_counts;
  const int64_t num_valid = pass.num_valid_tokens == nullptr
                                ? pass.num_tokens
                                : *pass.num_valid_tokens;
  const auto top_k = static_cast<uint32_t>(pass.top_k);
  const auto num_ids = static_cast<uint32_t>(pass.num_tokens) * top_k;
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < num_ids;
       i += gridDim.x * blockDim.x) {
    const uint32_t token = i / top_k;
    const int32_t slot = SlotOf<Id>(pass, i, token, offset);
    pass.slot_ids[i] = slot;
    const bool is_counted =
        slot >= 0 && token < num_valid &&
        (pass.token_is_valid == nullptr || pass.token_is_valid[token] != 0);
    if (is_counted) atomicAdd(counts + slot, 1);
  }
  if (!kSharedCounts) return;
  __syncthreads();
  for (int i = threadIdx.x; i < num_counts; i += blockDim.x) {
    if (shared_counts[i] != 0) {
      atomicAdd(pass.slot_counts + i, shared_counts[i]);
    }
  }
}

template <typename Id>
void Launch(const MapAndRecordPass& pass, cudaStream_t stream) {
  const int64_t num_ids = pass.num_tokens * pass.top_k;
  const uint32_t offset =
      pass.choice == ReplicaChoice::kHash ? 0 : SpreadOffset(pass.rank);
  constexpr int64_t kIdsPerBlock = kThreadsPerBlock * kIdsPerThread;
  const auto num_blocks = static_cast<unsigned>(std::min<int64_t>(
      kMaxBlocks, (num_ids + kIdsPerBlock - 1) / kIdsPerBlock));
  if (num_ids >= kMinIdsForSharedCounts &&
      pass.table.max_slots <= kMaxSharedCounts) {
    MapIds<Id, true>
        <<<num_blocks, kThreadsPerBlock, sizeof(int32_t) * pass.table.max_slots,
           stream>>>(pass, offset);
  } else {
    MapIds<Id, false>
        <<<num_blocks, kThreadsPerBlock, /*shared_bytes=*/0, stream>>>(pass,
                                                                       offset);
  }
}

}  // namespace

absl::Status LaunchMapIds(const MapAndRecordPass& pass, cudaStream_t stream) {
  if (pass.num_tokens == 0) return absl::OkStatus();
  if (pass.id_type == IdType::kInt32) {
    Launch<int32_t>(pass, stream);
  } else {
    Launch<int64_t>(pass, stream);
  }
  return CudaStatus(cudaGetLastError(), "MapIds");
}

}  // namespace eplb
