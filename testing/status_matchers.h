// Matchers for absl::Status and absl::StatusOr.
//
//   EXPECT_THAT(shape.Validate(), IsOk());
//   EXPECT_THAT(AutoRedundantExperts(60, 8), IsOkAndHolds(4));
//   EXPECT_THAT(Topology::Uniform(7, 2),
//               StatusIs(absl::StatusCode::kInvalidArgument,
//                        HasSubstr("7 ranks")));
//   EPLB_ASSERT_OK_AND_ASSIGN(Topology topology, Topology::Uniform(8, 2));
//
// Abseil's own come with a later release than the oldest that is built with.

#ifndef EPLB_TESTING_STATUS_MATCHERS_H_
#define EPLB_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace status_matchers_internal {

// One type for all codes, messages and values: a test compiles next to nothing.
class StatusMatcher {
 public:
  using is_gtest_matcher = void;

  StatusMatcher(::testing::Matcher<absl::StatusCode> code,
                ::testing::Matcher<const std::string&> message);

  bool MatchAndExplain(const absl::Status& status,
                       ::testing::MatchResultListener* listener) const;
  template <typename T>
  bool MatchAndExplain(const absl::StatusOr<T>& status_or,
                       ::testing::MatchResultListener* listener) const {
    return MatchAndExplain(status_or.status(), listener);
  }
  void DescribeTo(std::ostream* os) const;
  void DescribeNegationTo(std::ostream* os) const;

 private:
  ::testing::Matcher<absl::StatusCode> code_;
  ::testing::Matcher<const std::string&> message_;
};

// For EXPECT_PRED_FORMAT1.
::testing::AssertionResult AssertIsOk(const char* expression,
                                      const absl::Status& status);
template <typename T>
::testing::AssertionResult AssertIsOk(const char* expression,
                                      const absl::StatusOr<T>& status_or) {
  return AssertIsOk(expression, status_or.status());
}

}  // namespace status_matchers_internal

// Matches a Status or StatusOr whose code matches `code` and whose message
// matches `message`: each a value or a matcher.
inline auto StatusIs(
    ::testing::Matcher<absl::StatusCode> code,
    ::testing::Matcher<const std::string&> message = ::testing::_) {
  return status_matchers_internal::StatusMatcher(std::move(code),
                                                 std::move(message));
}

// Matches a Status or StatusOr that is OK.
inline auto IsOk() { return StatusIs(absl::StatusCode::kOk); }

// Matches a StatusOr that is OK and whose value matches `value`.
MATCHER_P(
    IsOkAndHolds, value,
    (negation ? "is not OK or has a value that "
              : "is OK and holds a value that ") +
        ::testing::DescribeMatcher<typename std::decay_t<arg_type>::value_type>(
            value, negation)) {
  if (!arg.ok()) {
    *result_listener << "whose status is " << arg.status();
    return false;
  }
  *result_listener << "whose value is " << ::testing::PrintToString(*arg)
                   << " ";
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace eplb

#define EPLB_ASSERT_OK(...)                                         \
  ASSERT_PRED_FORMAT1(::eplb::status_matchers_internal::AssertIsOk, \
                      (__VA_ARGS__))
#define EPLB_EXPECT_OK(...)                                         \
  EXPECT_PRED_FORMAT1(::eplb::status_matchers_internal::AssertIsOk, \
                      (__VA_ARGS__))

// Assigns the value of an absl::StatusOr to `target` (which may declare a
// variable), or fails the test and returns from the enclosing function.
#define EPLB_ASSERT_OK_AND_ASSIGN(target, ...) \
  EPLB_ASSERT_OK_AND_ASSIGN_IMPL_(             \
      EPLB_MATCHERS_CONCAT_(eplb_matched_, __LINE__), target, (__VA_ARGS__))

#define EPLB_ASSERT_OK_AND_ASSIGN_IMPL_(status_or, target, expression) \
  auto status_or = expression;                                         \
  EPLB_ASSERT_OK(status_or);                                           \
  target = *std::move(status_or)

#define EPLB_MATCHERS_CONCAT_(a, b) EPLB_MATCHERS_CONCAT_IMPL_(a, b)
#define EPLB_MATCHERS_CONCAT_IMPL_(a, b) a##b

#endif  // EPLB_TESTING_STATUS_MATCHERS_H_
