#include "tools/command/flag.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(FlagTest, IntegersAreRangeChecked) {
  int slots = 7;
  const Flag flag = IntegerFlag("slots", "slots per layer", 1, 4096, slots);
  EXPECT_EQ(flag.default_value, "7");
  ASSERT_THAT(flag.Set("4096"), IsOk());
  EXPECT_EQ(slots, 4096);
  for (const char* value : {"abc", "", "-3", "0", "4097", "99999999999", "1e3",
                            "3.0", "+3", " 3", "3 ", "0x10"}) {
    EXPECT_THAT(flag.Set(value),
                StatusIs(kInvalid, std::string("--slots=") + value +
                                       ": must be an integer in [1, 4096]"));
  }
  EXPECT_EQ(slots, 4096);
}

TEST(FlagTest, TimesAreNumbersWithAUnit) {
  std::chrono::milliseconds target = std::chrono::seconds(30);
  const Flag flag = DurationFlag("timeout", "how long", target);
  EXPECT_EQ(flag.default_value, "30s");
  EXPECT_THAT(flag.Set("1m30s"), IsOk());
  EXPECT_EQ(target, std::chrono::seconds(90));
  EXPECT_THAT(flag.Set("250ms"), IsOk());
  EXPECT_EQ(target, std::chrono::milliseconds(250));
  for (const char* const wrong : {"", "30", "-1s", "0s", "25h", "inf", "5x"}) {
    EXPECT_THAT(flag.Set(wrong), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("from 1ms to 24h")))
        << wrong;
  }
  EXPECT_EQ(target, std::chrono::milliseconds(250));
}

TEST(FlagTest, NumbersMayBeginAtTheirLeast) {
  double target = 0.5;
  const Flag flag = NumberFromFlag("gain", "what to ask for", 0, 1, target);
  ASSERT_THAT(flag.Set("0"), IsOk());
  EXPECT_EQ(target, 0);
  ASSERT_THAT(flag.Set("1"), IsOk());
  for (const char* value : {"", "x", "-0.01", "1.01", "nan"}) {
    EXPECT_THAT(flag.Set(value),
                StatusIs(kInvalid, HasSubstr("must be a number in [0, 1]")))
        << value;
  }
}

TEST(FlagTest, NumbersAreRangeChecked) {
  double target = 0.97;
  const Flag flag = NumberFlag("target", "where to stop", 0, 1, target);
  EXPECT_EQ(flag.default_value, "0.97");
  ASSERT_THAT(flag.Set("1"), IsOk());
  ASSERT_THAT(flag.Set("0.5"), IsOk());
  EXPECT_EQ(target, 0.5);
  for (const char* value :
       {"", "x", "0", "-1", "1.01", "nan", "inf", "1e999"}) {
    EXPECT_THAT(flag.Set(value),
                StatusIs(kInvalid, HasSubstr("above 0 and at most 1")))
        << value;
  }
}

TEST(FlagTest, ChoicesSuggestTheNearest) {
  std::string format = "text";
  const Flag flag = ChoiceFlag("format", {"text", "json"}, "how", format);
  EXPECT_EQ(flag.value_name, "text|json");
  ASSERT_THAT(flag.Set("json"), IsOk());
  EXPECT_EQ(format, "json");
  EXPECT_THAT(flag.Set("jsn"),
              StatusIs(kInvalid,
                       "--format=jsn: must be one of text, json; did you mean "
                       "json?"));
}

TEST(FlagTest, ListsHaveNoRepeatedEntries) {
  std::vector<int> ranks;
  const Flag flag = IntegerListFlag("inactive", "ranks", 0, 9, ranks);
  ASSERT_THAT(flag.Set("3,4"), IsOk());
  EXPECT_THAT(ranks, ElementsAre(3, 4));
  EXPECT_THAT(flag.Set("3,3"),
              StatusIs(kInvalid, HasSubstr("3 is there twice")));
  for (const char* value : {"", "3,", ",3", "3;4", "10", "-1"}) {
    EXPECT_THAT(flag.Set(value),
                StatusIs(kInvalid, HasSubstr("must be an integer in [0, 9]")))
        << value;
  }
  EXPECT_THAT(ranks, ElementsAre(3, 4));
}

TEST(FlagTest, BooleansAreTrueOrFalse) {
  bool async = false;
  const Flag flag = BooleanFlag("async", "in the background", async);
  EXPECT_EQ(flag.default_value, "false");
  EXPECT_EQ(flag.bare_value, "true");
  ASSERT_THAT(flag.Set("true"), IsOk());
  EXPECT_TRUE(async);
  for (const char* value : {"", "1", "True", "yes"}) {
    EXPECT_THAT(flag.Set(value),
                StatusIs(kInvalid, std::string("--async=") + value +
                                       ": must be true or false"));
  }
  EXPECT_TRUE(async);
  ASSERT_THAT(flag.Set("false"), IsOk());
  EXPECT_FALSE(async);
}

TEST(FlagTest, ListsOfTextHaveNoEmptyOrRepeatedWords) {
  std::vector<std::string> policies = {"greedy"};
  const Flag flag =
      TextListFlag("policy", "NAME,NAME", "policies to compare", policies);
  EXPECT_EQ(flag.default_value, "greedy");
  ASSERT_THAT(flag.Set("refined,greedy"), IsOk());
  EXPECT_THAT(policies, ElementsAre("refined", "greedy"));
  EXPECT_THAT(flag.Set("a,b,a"),
              StatusIs(kInvalid, HasSubstr("'a' is there twice")));
  for (const char* value : {"", "a,", ",a", "a,,b"}) {
    EXPECT_THAT(flag.Set(value), StatusIs(kInvalid, HasSubstr("empty word")))
        << value;
  }
  EXPECT_THAT(policies, ElementsAre("refined", "greedy"));
}

TEST(FlagTest, TextIsNotEmpty) {
  std::string file;
  const Flag flag = Required(TextFlag("loads", "FILE", "what to read", file));
  EXPECT_TRUE(flag.required);
  EXPECT_THAT(flag.default_value, IsEmpty());
  ASSERT_THAT(flag.Set("a=b"), IsOk());
  EXPECT_EQ(file, "a=b");
  EXPECT_THAT(flag.Set(""), StatusIs(kInvalid, HasSubstr("must not be empty")));
}

}  // namespace
}  // namespace eplb
