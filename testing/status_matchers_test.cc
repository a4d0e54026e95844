#include "testing/status_matchers.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;

// What a failing assertion on `value` would say.
template <typename Value, typename Matcher>
std::string Explanation(const Matcher& matcher, const Value& value) {
  ::testing::StringMatchResultListener listener;
  ::testing::ExplainMatchResult(matcher, value, &listener);
  return listener.str();
}

const absl::Status& NoSlot() {
  static const absl::Status& status =
      *new absl::Status(absl::NotFoundError("no slot 7"));
  return status;
}

TEST(StatusMatchersTest, IsOkTellsSuccessFromErrors) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(3), IsOk());
  EXPECT_THAT(NoSlot(), Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(NoSlot()), Not(IsOk()));
}

TEST(StatusMatchersTest, IsOkAndHoldsLooksAtTheValue) {
  EXPECT_THAT(absl::StatusOr<int>(3), IsOkAndHolds(3));
  EXPECT_THAT(absl::StatusOr<int>(3), Not(IsOkAndHolds(4)));
  EXPECT_THAT(absl::StatusOr<int>(NoSlot()), Not(IsOkAndHolds(3)));
  EXPECT_THAT(absl::StatusOr<std::string>("slot"),
              IsOkAndHolds(HasSubstr("lo")));
}

TEST(StatusMatchersTest, IsOkAndHoldsTakesValuesThatOnlyMove) {
  const absl::StatusOr<std::unique_ptr<int>> value = std::make_unique<int>(3);
  EXPECT_THAT(value, IsOkAndHolds(Pointee(3)));
}

TEST(StatusMatchersTest, StatusIsLooksAtCodeAndMessage) {
  EXPECT_THAT(NoSlot(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(NoSlot(), StatusIs(absl::StatusCode::kNotFound, "no slot 7"));
  EXPECT_THAT(NoSlot(), StatusIs(AnyOf(absl::StatusCode::kNotFound,
                                       absl::StatusCode::kInternal),
                                 HasSubstr("slot")));
  EXPECT_THAT(NoSlot(), Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(NoSlot(), Not(StatusIs(absl::StatusCode::kNotFound, "no slot")));
  EXPECT_THAT(absl::StatusOr<int>(NoSlot()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("7")));
  EXPECT_THAT(absl::StatusOr<int>(3), StatusIs(absl::StatusCode::kOk));
}

TEST(StatusMatchersTest, AFailureShowsTheStatus) {
  EXPECT_THAT(Explanation(IsOk(), NoSlot()), HasSubstr("NOT_FOUND: no slot 7"));
  EXPECT_THAT(Explanation(IsOkAndHolds(3), absl::StatusOr<int>(NoSlot())),
              HasSubstr("NOT_FOUND: no slot 7"));
  EXPECT_THAT(Explanation(IsOkAndHolds(3), absl::StatusOr<int>(4)),
              HasSubstr("whose value is 4"));
  EXPECT_THAT(Explanation(StatusIs(absl::StatusCode::kInternal), NoSlot()),
              HasSubstr("NOT_FOUND: no slot 7"));
}

TEST(StatusMatchersTest, AMatcherDescribesItself) {
  const ::testing::Matcher<absl::Status> matcher =
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("slot"));
  EXPECT_THAT(::testing::DescribeMatcher<absl::Status>(matcher),
              HasSubstr("has substring \"slot\""));
  EXPECT_EQ(::testing::DescribeMatcher<absl::Status>(IsOk(), /*negation=*/true),
            "not (has a status whose code is equal to OK and whose message is "
            "anything)");
  const ::testing::Matcher<absl::StatusOr<int>> holds = IsOkAndHolds(3);
  EXPECT_EQ(::testing::DescribeMatcher<absl::StatusOr<int>>(holds),
            "is OK and holds a value that is equal to 3");
}

TEST(StatusMatchersTest, TheMacrosPassOnSuccess) {
  EPLB_ASSERT_OK(absl::OkStatus());
  EPLB_EXPECT_OK(absl::StatusOr<int>(3));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<int> value,
      absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(3)));
  EXPECT_EQ(*value, 3);
}

TEST(StatusMatchersTest, TheMacrosFailOnErrors) {
  EXPECT_NONFATAL_FAILURE(EPLB_EXPECT_OK(NoSlot()),
                          "(NoSlot()) is NOT_FOUND: no slot 7");
  EXPECT_FATAL_FAILURE(EPLB_ASSERT_OK(NoSlot()),
                       "(NoSlot()) is NOT_FOUND: no slot 7");
  EXPECT_FATAL_FAILURE(
      {
        EPLB_ASSERT_OK_AND_ASSIGN(const int value,
                                  absl::StatusOr<int>(NoSlot()));
        ADD_FAILURE() << "went on with " << value;
      },
      "NOT_FOUND: no slot 7");
}

}  // namespace
}  // namespace eplb
