#include <memory>

#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device_conformance.h"

namespace eplb {
namespace {

ConformanceDevice Cpu(const char* name, int num_threads) {
  return {.name = name, .make = [=] {
            return std::make_unique<CpuDevice>(
                CpuDeviceOptions{.num_threads = num_threads});
          }};
}

INSTANTIATE_TEST_SUITE_P(Cpu, DeviceConformanceTest,
                         testing::Values(Cpu("one_thread", 1),
                                         Cpu("four_threads", 4)),
                         ConformanceDeviceName);

}  // namespace
}  // namespace eplb
