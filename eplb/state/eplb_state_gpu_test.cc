// The state on a CUDA device: see state_test_device.h.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "eplb/state/state_test_device.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/gpu_test.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

class EplbStateGpuTest : public GpuTest {};

TEST_F(EplbStateGpuTest, ServesRightWeights) {
  SystemClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<CudaDevice> device,
                            CudaDevice::Create({}, clock));
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    EPLB_ASSERT_OK_AND_ASSIGN(const int changes,
                              ServeOnDevice(*device, /*num_steps=*/500, seed));
    EXPECT_GT(changes, 20);
  }
}

}  // namespace
}  // namespace eplb
