#include <cuda_runtime.h>

#include <memory>

#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"
#include "kernels/device_conformance.h"

namespace eplb {
namespace {

ConformanceDevice Cuda(const char* name, CudaCopyMethod copy_method) {
  return {.name = name,
          .make = [=]() -> absl::StatusOr<std::unique_ptr<Device>> {
            static SystemClock clock;
            return CudaDevice::Create({.copy_method = copy_method}, clock);
          }};
}

INSTANTIATE_TEST_SUITE_P(Cuda, DeviceConformanceTest,
                         testing::Values(Cuda("kernel", CudaCopyMethod::kKernel)
#if CUDART_VERSION >= 13000
                                             ,
                                         Cuda("driver", CudaCopyMethod::kDriver)
#endif
                                             ),
                         ConformanceDeviceName);

}  // namespace
}  // namespace eplb
