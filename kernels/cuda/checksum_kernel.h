// The kernel that adds up the words of rows (kernels/row_checksum.h).
//
//   EPLB_RETURN_IF_ERROR(
//       LaunchRowSums(rows, sums, num_multiprocessors, stream));

#ifndef EPLB_KERNELS_CUDA_CHECKSUM_KERNEL_H_
#define EPLB_KERNELS_CUDA_CHECKSUM_KERNEL_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// Queues on `stream` that what the words of rows[i] add up to is added to
// sums[i], in device memory. `rows` may be freed when the call returns.
absl::Status LaunchRowSums(absl::Span<const ConstRow> rows, uint64_t* sums,
                           int num_multiprocessors, cudaStream_t stream);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_CHECKSUM_KERNEL_H_
