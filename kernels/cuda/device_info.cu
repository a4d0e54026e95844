#include <cuda_runtime.h>

#include "absl/status/statusor.h"
#include "eplb/core/status_macros.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_info.h"

namespace eplb {

absl::StatusOr<DeviceInfo> CurrentDeviceInfo() {
  DeviceInfo info;
  EPLB_RETURN_IF_ERROR(CudaStatus(cudaGetDevice(&info.index), "cudaGetDevice"));
  cudaDeviceProp properties;
  EPLB_RETURN_IF_ERROR(
      CudaStatus(cudaGetDeviceProperties(&properties, info.index),
                 "cudaGetDeviceProperties"));
  EPLB_RETURN_IF_ERROR(CudaStatus(
      cudaMemGetInfo(&info.free_memory_bytes, &info.total_memory_bytes),
      "cudaMemGetInfo"));
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  info.num_multiprocessors = properties.multiProcessorCount;
  return info;
}

}  // namespace eplb
