// The kernel that maps router ids to slots and counts them.
//
//   EPLB_RETURN_IF_ERROR(LaunchMapIds(pass, stream));

#ifndef EPLB_KERNELS_CUDA_MAP_IDS_KERNEL_H_
#define EPLB_KERNELS_CUDA_MAP_IDS_KERNEL_H_

#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "kernels/map_and_record.h"

namespace eplb {

// Queues `pass`, which is valid, on `stream`. Allocates nothing and waits for
// nothing: it can be captured in a graph.
absl::Status LaunchMapIds(const MapAndRecordPass& pass, cudaStream_t stream);

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_MAP_IDS_KERNEL_H_
