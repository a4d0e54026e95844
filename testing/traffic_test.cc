#include "testing/traffic.h"

#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TrafficTest, ReadsUniform) {
  EXPECT_THAT(ParseTrafficSpec("uniform"),
              IsOkAndHolds(TrafficSpec{.skew = TrafficSkew::kUniform}));
}

TEST(TrafficTest, ReadsZipf) {
  EXPECT_THAT(
      ParseTrafficSpec("zipf:1.0"),
      IsOkAndHolds(TrafficSpec{.skew = TrafficSkew::kZipf, .strength = 1}));
  EXPECT_THAT(ParseTrafficSpec("zipf:0"),
              IsOkAndHolds(TrafficSpec{.skew = TrafficSkew::kZipf}));
}

TEST(TrafficTest, ReadsLognormalWithDrift) {
  EXPECT_THAT(
      ParseTrafficSpec("lognormal:1.2,drift=0.99"),
      IsOkAndHolds(TrafficSpec{
          .skew = TrafficSkew::kLognormal, .strength = 1.2, .drift = 0.99}));
}

TEST(TrafficTest, TheLimitsAreAllowed) {
  EXPECT_THAT(ParseTrafficSpec("zipf:16,drift=0"),
              IsOkAndHolds(TrafficSpec{
                  .skew = TrafficSkew::kZipf, .strength = 16, .drift = 0}));
  EXPECT_THAT(ParseTrafficSpec("uniform,drift=1"),
              IsOkAndHolds(TrafficSpec{.drift = 1}));
}

struct Refusal {
  std::string text;
  std::string reason;
};

class TrafficRefusalTest : public ::testing::TestWithParam<Refusal> {};

INSTANTIATE_TEST_SUITE_P(
    Texts, TrafficRefusalTest,
    ::testing::Values(
        Refusal{"", "\"\" is no known kind"},
        Refusal{"zipff:1", "\"zipff\" is no known kind"},
        Refusal{"Zipf:1", "\"Zipf\" is no known kind"},
        Refusal{" zipf:1", "\" zipf\" is no known kind"},
        Refusal{"file:loads.npy", "\"file\" is no known kind"},
        Refusal{"uniform:1", "uniform takes no parameter"},
        Refusal{"uniform:", "uniform takes no parameter"},
        Refusal{"zipf", "zipf needs a parameter"},
        Refusal{"zipf:", "S is \"\", not a number"},
        Refusal{"zipf:x", "S is \"x\", not a number"},
        Refusal{"zipf:1.0 ", "S is \"1.0 \", not a number"},
        Refusal{"zipf: 1.0", "S is \" 1.0\", not a number"},
        Refusal{"zipf:1:2", "S is \"1:2\", not a number"},
        Refusal{"zipf:1.0x", "S is \"1.0x\", not a number"},
        Refusal{"zipf:nan", "S is nan; it must be in [0, 16]"},
        Refusal{"zipf:-1", "S is -1; it must be in [0, 16]"},
        Refusal{"zipf:16.5", "S is 16.5; it must be in [0, 16]"},
        Refusal{"zipf:1e999", "S is inf; it must be in [0, 16]"},
        Refusal{"lognormal", "lognormal needs a parameter"},
        Refusal{"lognormal:inf", "SIGMA is inf; it must be in [0, 16]"},
        Refusal{"zipf:1,drift=1.1", "RHO is 1.1; it must be in [0, 1]"},
        Refusal{"zipf:1,drift=-0.1", "RHO is -0.1; it must be in [0, 1]"},
        Refusal{"zipf:1,drift=nan", "RHO is nan; it must be in [0, 1]"},
        Refusal{"zipf:1,drift=", "RHO is \"\", not a number"},
        Refusal{"zipf:1,drift=0.9x", "RHO is \"0.9x\", not a number"},
        Refusal{"zipf:1,", "\"\" is not drift=RHO"},
        Refusal{"zipf:1, drift=0.9", "\" drift=0.9\" is not drift=RHO"},
        Refusal{"zipf:1,rho=0.9", "\"rho=0.9\" is not drift=RHO"},
        Refusal{"zipf:1,drift=0.9,", "\"\" does"},
        Refusal{"zipf:1,drift=0.9,drift=0.8", "\"drift=0.8\" does"}));

TEST_P(TrafficRefusalTest, NamesTheTextTheReasonAndWhatIsAllowed) {
  EXPECT_THAT(
      ParseTrafficSpec(GetParam().text),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("traffic \"" + GetParam().text + "\""),
                     HasSubstr(GetParam().reason),
                     HasSubstr("allowed are uniform, zipf:S and "
                               "lognormal:SIGMA, each optionally followed by "
                               ",drift=RHO"))));
}

TEST(TrafficTest, ValidatesASpecThatWasNotParsed) {
  EXPECT_THAT(TrafficSpec{}.Validate(), IsOk());
  EXPECT_THAT((TrafficSpec{.strength = -1}.Validate()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      (TrafficSpec{.drift = std::numeric_limits<double>::quiet_NaN()}
           .Validate()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("RHO is nan")));
}

}  // namespace
}  // namespace eplb
