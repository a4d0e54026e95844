// The driver's own batched copy, which may use the copy engines and leaves the
// multiprocessors to the model.
//
//   EPLB_RETURN_IF_ERROR(DriverCopyRows(rows, stream));

#ifndef EPLB_KERNELS_CUDA_DRIVER_COPY_H_
#define EPLB_KERNELS_CUDA_DRIVER_COPY_H_

#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// As LaunchCopyRows. Unimplemented with a toolkit before CUDA 13.0. CUDA takes
// no batches on the legacy default stream.
absl::Status DriverCopyRows(absl::Span<const CopyRow> rows,
                            cudaStream_t stream);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_DRIVER_COPY_H_
