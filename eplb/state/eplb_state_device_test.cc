// Weights, tables and counters in memory of a device, as far as a machine
// without one can show; eplb_state_gpu_test does the same on a real one.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/memory_space.h"
#include "eplb/state/state_test_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/faulty_device.h"
#include "testing/lazy_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

void ExpectServes(Device& device) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(absl::StrCat(device.ToString(), ", seed ", seed));
    EPLB_ASSERT_OK_AND_ASSIGN(const int changes,
                              ServeOnDevice(device, /*num_steps=*/150, seed));
    EXPECT_GT(changes, 5);
  }
}

TEST(EplbStateDeviceTest, ServesRightWeightsFromMemoryOfTheHost) {
  CpuDevice device({.num_threads = 1});
  ExpectServes(device);
}

TEST(EplbStateDeviceTest, ServesRightWeightsFromMemoryOfADevice) {
  FaultyDevice device({.memory_space = MemorySpace::kDevice});
  ExpectServes(device);
}

TEST(EplbStateDeviceTest, ServesRightWeightsHoweverLateTheDeviceIs) {
  LazyDevice device;
  ExpectServes(device);
}

}  // namespace
}  // namespace eplb
