#include "kernels/cuda/driver_copy.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/device.h"

namespace eplb {

#if CUDART_VERSION >= 13000

absl::Status DriverCopyRows(absl::Span<const CopyRow> rows,
                            cudaStream_t stream) {
  std::vector<void*> destinations;
  std::vector<const void*> sources;
  std::vector<size_t> sizes;
  for (const CopyRow& row : rows) {
    // CUDA refuses rows of nothing.
    if (row.num_bytes == 0) continue;
    destinations.push_back(row.destination);
    sources.push_back(row.source);
    sizes.push_back(row.num_bytes);
  }
  if (sizes.empty()) return absl::OkStatus();
  cudaMemcpyAttributes attributes = {};
  attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
  size_t first_row_of_attributes = 0;
  return CudaStatus(
      cudaMemcpyBatchAsync(destinations.data(), sources.data(), sizes.data(),
                           sizes.size(), &attributes, &first_row_of_attributes,
                           /*numAttrs=*/1, stream),
      "cudaMemcpyBatchAsync");
}

#else

absl::Status DriverCopyRows(absl::Span<const CopyRow> /*rows*/,
                            cudaStream_t /*stream*/) {
  return absl::UnimplementedError(
      "the driver's batched copy needs a toolkit from CUDA 13.0 on");
}

#endif

}  // namespace eplb
