#include "collectives/gloo_transport.h"

#include <chrono>

#include "absl/status/status.h"
#include "collectives/gloo_device.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::milliseconds;

// Gloo by itself waits five times as long as it is told. Of two ranks the one
// with the lower address waits to be connected to, so whether rank 0 does is up
// to the ports that the system gives.
TEST(GlooTransportTest, ConnectWithoutThePeerEndsAtItsDeadline) {
  constexpr milliseconds kTimeout(500);
  constexpr int kMostAttempts = 64;
  SystemClock clock;
  absl::Status status;
  for (int i = 0; status.ok() && i < kMostAttempts; ++i) {
    const SteadyTime deadline = clock.Now() + kTimeout;
    EPLB_ASSERT_OK_AND_ASSIGN(
        const auto rank_0,
        GlooTransport::Create(GlooDeviceOptions{}, 0, 2, clock, deadline));
    EPLB_ASSERT_OK_AND_ASSIGN(
        const auto rank_1,
        GlooTransport::Create(GlooDeviceOptions{}, 1, 2, clock, deadline));
    status = rank_0->Connect({"", rank_1->AddressFor(0)}, deadline);
    EXPECT_LT(clock.Now(), deadline + milliseconds(1000));
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                               testing::HasSubstr("rank 1")));
}

}  // namespace
}  // namespace eplb
