#include "tools/size_flags.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(SizeFlagsTest, RanksDivideByNodes) {
  EXPECT_THAT(ValidateNodes(8, 2), IsOk());
  EXPECT_THAT(ValidateNodes(9, 2),
              StatusIs(kInvalid,
                       "--ranks=9: does not divide by --nodes=2; the nearest "
                       "number that does is 8"));
  EXPECT_THAT(ValidateNodes(1, 3),
              StatusIs(kInvalid, ::testing::EndsWith("that does is 3")));
}

TEST(SizeFlagsTest, GroupsDivideTheExperts) {
  EXPECT_THAT(ValidateGroups(4, 12, "l.npy"), IsOk());
  EXPECT_THAT(ValidateGroups(5, 12, "l.npy"),
              StatusIs(kInvalid,
                       "--groups=5: does not divide the 12 experts of l.npy; "
                       "the nearest number that does is 4"));
  EXPECT_THAT(ValidateGroups(100, 7, "l.npy"),
              StatusIs(kInvalid, ::testing::EndsWith("that does is 7")));
}

}  // namespace
}  // namespace eplb
