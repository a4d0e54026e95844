#include "eplb/core/status_macros.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

absl::Status ReturnIfError(const absl::Status& status) {
  EPLB_RETURN_IF_ERROR(status);
  return absl::AlreadyExistsError("went on");
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsOnlyErrors) {
  EXPECT_EQ(ReturnIfError(absl::AbortedError("stop")),
            absl::AbortedError("stop"));
  EXPECT_EQ(ReturnIfError(absl::OkStatus()),
            absl::AlreadyExistsError("went on"));
}

absl::StatusOr<int> TakeValue(absl::StatusOr<std::unique_ptr<int>> value) {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<int> owned, std::move(value));
  return *owned;
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValueOut) {
  EXPECT_EQ(TakeValue(std::make_unique<int>(7)).value(), 7);
}

TEST(StatusMacrosTest, AssignOrReturnReturnsTheError) {
  EXPECT_EQ(TakeValue(absl::NotFoundError("none")).status(),
            absl::NotFoundError("none"));
}

}  // namespace
}  // namespace eplb
