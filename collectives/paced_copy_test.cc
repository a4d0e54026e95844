#include "collectives/paced_copy.h"

#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "collectives/in_process_channel.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

constexpr size_t kBytes = 3 * PacedCopy::kBytesPerLook + 1;
constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(1);

// Which of the bytes a copy of ones over zeros has reached.
struct Outcome {
  absl::Status status;
  size_t num_copied = 0;
};

Outcome CopyOver(const InProcessChannel& channel) {
  const std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 0);
  Outcome outcome;
  outcome.status =
      PacedCopy(channel, kDeadline).Copy(to.data(), from.data(), kBytes);
  for (const char byte : to) outcome.num_copied += byte;
  return outcome;
}

TEST(PacedCopyTest, CopiesEveryByte) {
  FakeClock clock;
  const InProcessChannel channel("channel", /*num_ranks=*/2, clock);
  const Outcome outcome = CopyOver(channel);
  EPLB_EXPECT_OK(outcome.status);
  EXPECT_EQ(outcome.num_copied, kBytes);
}

TEST(PacedCopyTest, StopsAtTheFirstLookAfterAFailure) {
  FakeClock clock;
  InProcessChannel channel("channel", /*num_ranks=*/2, clock);
  channel.Fail(/*rank=*/1, absl::AbortedError("enough"));
  const Outcome outcome = CopyOver(channel);
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(outcome.num_copied, PacedCopy::kBytesPerLook);
}

TEST(PacedCopyTest, StopsAtTheFirstLookAfterTheDeadline) {
  FakeClock clock(kDeadline);
  const InProcessChannel channel("channel", /*num_ranks=*/2, clock);
  const Outcome outcome = CopyOver(channel);
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(outcome.num_copied, PacedCopy::kBytesPerLook);
}

TEST(PacedCopyTest, ManySmallCopiesCountTogether) {
  FakeClock clock(kDeadline);
  const InProcessChannel channel("channel", /*num_ranks=*/2, clock);
  PacedCopy paced(channel, kDeadline);
  EPLB_EXPECT_OK(paced.Count(PacedCopy::kBytesPerLook - 1));
  EXPECT_THAT(paced.Count(1), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace eplb
