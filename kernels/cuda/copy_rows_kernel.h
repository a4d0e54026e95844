// The kernel that copies a batch of rows.
//
//   EPLB_RETURN_IF_ERROR(LaunchCopyRows(rows, num_multiprocessors, stream));

#ifndef EPLB_KERNELS_CUDA_COPY_ROWS_KERNEL_H_
#define EPLB_KERNELS_CUDA_COPY_ROWS_KERNEL_H_

#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// Queues the copies on `stream`. `rows` do not overlap, lie in device memory or
// pinned memory, and may be freed when the call returns. Allocates nothing and
// waits for nothing.
absl::Status LaunchCopyRows(absl::Span<const CopyRow> rows,
                            int num_multiprocessors, cudaStream_t stream);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_COPY_ROWS_KERNEL_H_
