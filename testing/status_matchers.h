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

#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace status_matchers_internal {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

}  // namespace status_matchers_internal

// Matches a Status or StatusOr that is OK.
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status& status = status_matchers_internal::StatusOf(arg);
  if (!status.ok()) *result_listener << "whose status is " << status;
  return status.ok();
}

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

// Matches a Status or StatusOr whose code matches `code` and whose message
// matches `message`: each a value or a matcher.
MATCHER_P2(StatusIs, code, message,
           (negation ? "has no status whose code "
                     : "has a status whose code ") +
               ::testing::DescribeMatcher<absl::StatusCode>(code) +
               " and whose message " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const absl::Status& status = status_matchers_internal::StatusOf(arg);
  *result_listener << "whose status is " << status << " ";
  return ::testing::ExplainMatchResult(code, status.code(), result_listener) &&
         ::testing::ExplainMatchResult(message, std::string(status.message()),
                                       result_listener);
}

// As above, with any message.
template <typename Code>
auto StatusIs(Code code) {
  return StatusIs(std::move(code), ::testing::_);
}

}  // namespace eplb

#define EPLB_ASSERT_OK(...) ASSERT_THAT((__VA_ARGS__), ::eplb::IsOk())
#define EPLB_EXPECT_OK(...) EXPECT_THAT((__VA_ARGS__), ::eplb::IsOk())

// Assigns the value of an absl::StatusOr to `target` (which may declare a
// variable), or fails the test and returns from the enclosing function.
#define EPLB_ASSERT_OK_AND_ASSIGN(target, ...) \
  EPLB_ASSERT_OK_AND_ASSIGN_IMPL_(             \
      EPLB_MATCHERS_CONCAT_(eplb_matched_, __LINE__), target, (__VA_ARGS__))

#define EPLB_ASSERT_OK_AND_ASSIGN_IMPL_(status_or, target, expression) \
  auto status_or = expression;                                         \
  ASSERT_THAT(status_or.status(), ::eplb::IsOk());                     \
  target = *std::move(status_or)

#define EPLB_MATCHERS_CONCAT_(a, b) EPLB_MATCHERS_CONCAT_IMPL_(a, b)
#define EPLB_MATCHERS_CONCAT_IMPL_(a, b) a##b

#endif  // EPLB_TESTING_STATUS_MATCHERS_H_
