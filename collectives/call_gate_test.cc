#include "collectives/call_gate.h"

#include <thread>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::HasSubstr;

TEST(CallGateTest, LetsCallsThroughOneAfterTheOther) {
  CallGate gate;
  for (int i = 0; i < 3; ++i) {
    EPLB_ASSERT_OK(gate.Enter("Barrier"));
    EPLB_EXPECT_OK(gate.Leave(absl::OkStatus()));
  }
  EPLB_EXPECT_OK(gate.first_error());
}

TEST(CallGateTest, QuotesTheFirstErrorForEver) {
  CallGate gate;
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  EXPECT_THAT(gate.Leave(absl::UnavailableError("rank 3 has left")),
              StatusIs(absl::StatusCode::kUnavailable, "rank 3 has left"));
  gate.Poison(absl::InternalError("later"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(gate.Enter("AllGather"),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         "AllGather after an earlier error: UNAVAILABLE: "
                         "rank 3 has left"));
  }
}

TEST(CallGateTest, RefusesACallBesideAnother) {
  CallGate gate;
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  EXPECT_THAT(gate.Enter("Clone"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("while Barrier of another thread")));
  EPLB_EXPECT_OK(gate.Leave(absl::OkStatus()));
}

TEST(CallGateTest, PoisonDuringACallIsItsError) {
  CallGate gate;
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  gate.Poison(absl::AbortedError("enough"));
  EXPECT_THAT(gate.Leave(absl::CancelledError("interrupted")),
              StatusIs(absl::StatusCode::kAborted, "enough"));
}

TEST(CallGateTest, StaysOpenAfterAnErrorThatLeavesItUsable) {
  CallGate gate;
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  EXPECT_THAT(gate.LeaveUsable(absl::FailedPreconditionError("layer")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "layer"));
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  EXPECT_TRUE(gate.has_pending_call());
  gate.Poison(absl::AbortedError("enough"));
  EXPECT_THAT(gate.LeaveUsable(absl::FailedPreconditionError("layer")),
              StatusIs(absl::StatusCode::kAborted, "enough"));
  EXPECT_FALSE(gate.has_pending_call());
}

TEST(CallGateTest, WaitsForThePendingCall) {
  CallGate gate;
  gate.WaitUntilIdle();
  EPLB_ASSERT_OK(gate.Enter("Barrier"));
  bool has_left = false;
  std::thread thread([&] {
    has_left = true;
    EPLB_EXPECT_OK(gate.Leave(absl::OkStatus()));
  });
  gate.WaitUntilIdle();
  EXPECT_TRUE(has_left);
  thread.join();
}

}  // namespace
}  // namespace eplb
