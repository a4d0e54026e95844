#include "collectives/nccl_registration.h"

#include <memory>

#include "absl/status/status.h"
#include "collectives/builtin_communicators.h"
#include "collectives/channels.h"
#include "collectives/communicator_registry.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// Nothing here needs a device: that is first asked for when connecting.
TEST(NcclRegistrationTest, NcclIsThereOrSaysThatTheBuildHasIt) {
  SystemClock clock;
  CommunicatorRegistry registry;
  EPLB_ASSERT_OK(
      RegisterInProcess(registry, *InProcessGroup::Create(1, clock), 0));
  EPLB_ASSERT_OK(RegisterNccl(registry, {.device = 0}, clock));
  for (const char* name : {"auto", "nccl"}) {
    const auto factory = registry.Make(name, {.memory = MemorySpace::kDevice});
    if (factory.ok()) {
      EXPECT_EQ((*factory)->control_name(), "in_process");
      EXPECT_EQ((*factory)->data_name(), "nccl");
    } else {
      EXPECT_THAT(factory, StatusIs(absl::StatusCode::kUnimplemented,
                                    HasSubstr("found no CUDA toolkit")));
    }
  }
}

}  // namespace
}  // namespace eplb
