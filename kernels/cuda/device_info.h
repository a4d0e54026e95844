// DeviceInfo: what is known about the calling thread's current CUDA device.
//
//   absl::StatusOr<DeviceInfo> device = CurrentDeviceInfo();
//   if (absl::IsUnavailable(device.status())) return RunOnCpu();

#ifndef EPLB_KERNELS_CUDA_DEVICE_INFO_H_
#define EPLB_KERNELS_CUDA_DEVICE_INFO_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace eplb {

struct DeviceInfo {
  int index = 0;
  std::string name;
  // Compute capability, as in sm_90.
  int major = 0;
  int minor = 0;
  size_t total_memory_bytes = 0;
  size_t free_memory_bytes = 0;
  int num_multiprocessors = 0;
};

// Unavailable when there is no device, or no driver that can serve this build.
// Thread-safe.
absl::StatusOr<DeviceInfo> CurrentDeviceInfo();

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_DEVICE_INFO_H_
