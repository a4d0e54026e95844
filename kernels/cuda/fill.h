// Fills device memory with a pattern of 32 bits.
//
//   EPLB_RETURN_IF_ERROR(Fill(memory, 1024, 0xdeadbeef, stream));

#ifndef EPLB_KERNELS_CUDA_FILL_H_
#define EPLB_KERNELS_CUDA_FILL_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace eplb {

// Queues on `stream` that [memory, memory + num_bytes) repeats the bytes of
// `pattern` in the order that memory holds them; a rest of fewer than 4 bytes
// gets the first of them. InvalidArgument, with nothing queued, unless `memory`
// is a multiple of 4, or when it is null and there is something to fill.
absl::Status Fill(void* memory, size_t num_bytes, uint32_t pattern,
                  cudaStream_t stream);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_FILL_H_
