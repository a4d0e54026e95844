#include "tools/command/exit_status.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(ExitStatusTest, TellsBadInputFromLostPeersAndBugs) {
  EXPECT_EQ(ExitStatusOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitStatusOf(absl::InternalError("")), 1);
  EXPECT_EQ(ExitStatusOf(absl::UnknownError("")), 1);
  for (const absl::Status& status :
       {absl::InvalidArgumentError(""), absl::NotFoundError(""),
        absl::AlreadyExistsError(""), absl::OutOfRangeError(""),
        absl::ResourceExhaustedError(""), absl::PermissionDeniedError("")}) {
    EXPECT_EQ(ExitStatusOf(status), 2) << status;
  }
  for (const absl::Status& status :
       {absl::DeadlineExceededError(""), absl::UnavailableError(""),
        absl::AbortedError(""), absl::DataLossError(""),
        absl::UnauthenticatedError(""), absl::FailedPreconditionError("")}) {
    EXPECT_EQ(ExitStatusOf(status), 3) << status;
  }
}

TEST(ErrorLineTest, IsOneLineWithoutControlCharacters) {
  EXPECT_EQ(ErrorLine(absl::NotFoundError("a\nb\x1b[31m \xc3\xa9\x7f")),
            "eplb: NOT_FOUND: a\\nb\\x1b[31m \xc3\xa9\\x7f");
}

}  // namespace
}  // namespace eplb
