// Results of the CUDA runtime as statuses.
//
//   EPLB_RETURN_IF_ERROR(CudaStatus(cudaMalloc(&memory, n), "cudaMalloc"));

#ifndef EPLB_KERNELS_CUDA_CUDA_STATUS_H_
#define EPLB_KERNELS_CUDA_CUDA_STATUS_H_

#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

// Unavailable: no device or no usable driver. ResourceExhausted: no memory.
// InvalidArgument: a value that CUDA refused. Internal: all other errors. The
// message names `call` and CUDA's error. The error that the runtime remembers
// for the calling thread is cleared, so that the next call does not report it.
absl::Status CudaStatus(cudaError_t error, absl::string_view call);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_CUDA_STATUS_H_
