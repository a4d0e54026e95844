#include "eplb/state/background/background_options.h"

#include <chrono>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

void ExpectRefused(const BackgroundOptions& options, const char* words) {
  EXPECT_THAT(options.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
}

TEST(BackgroundOptionsTest, TheDefaultsAreValid) {
  EPLB_EXPECT_OK(BackgroundOptions{}.Validate());
}

TEST(BackgroundOptionsTest, RefusesAFenceOnAStepThatMayHavePassed) {
  ExpectRefused({.fence_margin = 0}, "fence_margin 0 must be at least 1");
}

TEST(BackgroundOptionsTest, RefusesANegativeBudget) {
  ExpectRefused({.transfer_bytes_per_step = -1},
                "transfer_bytes_per_step -1 must be at least 0");
}

TEST(BackgroundOptionsTest, RefusesToSkipEveryTask) {
  ExpectRefused({.max_waiting_tasks = 0},
                "max_waiting_tasks 0 must be at least 1");
}

TEST(BackgroundOptionsTest, RefusesDurationsOfNothing) {
  ExpectRefused({.refill_interval = std::chrono::seconds(0)},
                "refill_interval 0 must be more than 0");
  ExpectRefused({.operation_timeout = std::chrono::seconds(-1)},
                "operation_timeout -1s must be more than 0");
}

}  // namespace
}  // namespace eplb
