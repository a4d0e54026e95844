#include "eplb/load/load_value.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr int64_t kMax = int64_t{1} << 53;

TEST(LoadValueTest, TakesWholeNumbersUpToTheLimit) {
  EXPECT_THAT(LoadFromInteger(0), IsOkAndHolds(0));
  EXPECT_THAT(LoadFromInteger(kMax), IsOkAndHolds(kMax));
  EXPECT_THAT(LoadFromInteger(-4), StatusIs(kInvalid, "negative load -4"));
  EXPECT_THAT(LoadFromInteger(kMax + 1),
              StatusIs(kInvalid,
                       "load 9007199254740993 is more than 9007199254740992"));
}

TEST(LoadValueTest, RoundsFractions) {
  EXPECT_THAT(LoadFromDouble(2.25), IsOkAndHolds(2));
  EXPECT_THAT(LoadFromDouble(2.5), IsOkAndHolds(3));
  EXPECT_THAT(LoadFromDouble(-0.0), IsOkAndHolds(0));
  EXPECT_THAT(LoadFromDouble(0x1p53), IsOkAndHolds(kMax));
}

TEST(LoadValueTest, RefusesWhatIsNoCount) {
  EXPECT_THAT(LoadFromDouble(std::nan("")),
              StatusIs(kInvalid, HasSubstr("nan")));
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(LoadFromDouble(infinity), StatusIs(kInvalid, HasSubstr("inf")));
  EXPECT_THAT(LoadFromDouble(-infinity), StatusIs(kInvalid, HasSubstr("inf")));
  EXPECT_THAT(LoadFromDouble(-0.25), StatusIs(kInvalid, "negative load -0.25"));
  EXPECT_THAT(LoadFromDouble(std::nextafter(0x1p53, 0x1p54)),
              StatusIs(kInvalid, HasSubstr("is more than")));
}

TEST(LoadValueTest, ReadsTextAsAWhole) {
  EXPECT_THAT(LoadFromText("17"), IsOkAndHolds(17));
  EXPECT_THAT(LoadFromText("1.75e1"), IsOkAndHolds(18));
  for (const char* text : {"", " 1", "1 ", "+1", "0x10", "1,0", "one"}) {
    EXPECT_THAT(LoadFromText(text),
                StatusIs(kInvalid, HasSubstr("is not a number")))
        << text;
  }
  EXPECT_THAT(LoadFromText("-3"), StatusIs(kInvalid, "negative load -3"));
  EXPECT_THAT(LoadFromText("nan"),
              StatusIs(kInvalid, HasSubstr("not a finite")));
  EXPECT_THAT(LoadFromText("inf"),
              StatusIs(kInvalid, HasSubstr("not a finite")));
  EXPECT_THAT(LoadFromText("1e999"),
              StatusIs(kInvalid, HasSubstr("not in [0")));
  EXPECT_THAT(LoadFromText("99999999999999999999"),
              StatusIs(kInvalid, HasSubstr("is more than")));
}

}  // namespace
}  // namespace eplb
