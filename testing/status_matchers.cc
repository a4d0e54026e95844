#include "testing/status_matchers.h"

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb::status_matchers_internal {

StatusMatcher::StatusMatcher(::testing::Matcher<absl::StatusCode> code,
                             ::testing::Matcher<const std::string&> message)
    : code_(std::move(code)), message_(std::move(message)) {}

void StatusMatcher::DescribeTo(std::ostream* os) const {
  *os << "has a status whose code ";
  code_.DescribeTo(os);
  *os << " and whose message ";
  message_.DescribeTo(os);
}

void StatusMatcher::DescribeNegationTo(std::ostream* os) const {
  *os << "not (";
  DescribeTo(os);
  *os << ")";
}

bool StatusMatcher::MatchAndExplain(
    const absl::Status& status,
    ::testing::MatchResultListener* listener) const {
  *listener << "whose status is " << status << " ";
  return code_.MatchAndExplain(status.code(), listener) &&
         message_.MatchAndExplain(std::string(status.message()), listener);
}

::testing::AssertionResult AssertIsOk(const char* expression,
                                      const absl::Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << expression << " is " << status;
}

}  // namespace eplb::status_matchers_internal
