#include "tools/run/failure_cause.h"

#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

absl::Status CauseOf(const std::vector<absl::Status>& statuses) {
  FailureCause cause;
  for (const absl::Status& status : statuses) cause.Update(status);
  return cause.status();
}

TEST(FailureCauseTest, IsWhatARankFoundByItselfWheneverItComesIn) {
  const absl::Status found = absl::InternalError("slot 7");
  const absl::Status lost = absl::UnavailableError("rank 1 has left");
  const absl::Status late = absl::DeadlineExceededError("rank 1");
  const absl::Status fine;
  EXPECT_EQ(CauseOf({fine, found, lost, late}), found);
  EXPECT_EQ(CauseOf({lost, fine, found, late}), found);
  EXPECT_EQ(CauseOf({late, lost, found, fine}), found);
}

TEST(FailureCauseTest, IsTheFirstOfEquals) {
  const absl::Status lost = absl::UnavailableError("rank 1 has left");
  const absl::Status late = absl::DeadlineExceededError("rank 1");
  EXPECT_EQ(CauseOf({late, lost}), late);
  EXPECT_EQ(CauseOf({absl::InternalError("a"), absl::NotFoundError("b")}),
            absl::InternalError("a"));
}

TEST(FailureCauseTest, IsNoneWhereNothingFails) {
  EXPECT_EQ(CauseOf({absl::OkStatus(), absl::OkStatus()}), absl::OkStatus());
}

}  // namespace
}  // namespace eplb
