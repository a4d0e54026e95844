#include "eplb/load/error_place.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

TEST(ErrorPlaceTest, PutsThePlaceInFrontOfAnError) {
  EXPECT_THAT(WithPlace("line 3", absl::NotFoundError("no count")),
              StatusIs(absl::StatusCode::kNotFound, "line 3: no count"));
  EXPECT_THAT(WithPlace("line 3", absl::OkStatus()), IsOk());
}

}  // namespace
}  // namespace eplb
