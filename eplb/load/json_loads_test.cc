#include "eplb/load/json_loads.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/damaged_text.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(JsonLoadsTest, ReadsAnObjectOrABareArray) {
  for (const char* text : {R"({"logical_count": [[1, 2.0, 2.5], [4, 5, 6]]})",
                           "[[1, 2, 3], [4, 5, 6]]"}) {
    EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads, ParseJsonLoads(text));
    EXPECT_EQ(loads.num_steps(), 1);
    EXPECT_EQ(loads.num_layers(), 2);
    EXPECT_THAT(loads.step(0), ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST(JsonLoadsTest, ReadsSteps) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RecordedLoads loads,
      ParseJsonLoads(R"({"logical_count": [[[1, 2]], [[3, 4]]]})"));
  EXPECT_EQ(loads.num_steps(), 2);
  EXPECT_THAT(loads.step(1), ElementsAre(3, 4));
}

TEST(JsonLoadsTest, SaysWhatIsWrongAndWhere) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"", "ends too early"},
      {"{}", "no field 'logical_count'"},
      {R"({"logical_count": 5})", "logical_count: must be an array"},
      {"[]", "an empty array"},
      {"[1]", "1 nested arrays where there must be 2 to 3"},
      {"[[[[1]]]]", "an array inside 3 others"},
      {"[[1, 2], [3, -4]]", "layer 1, expert 1: negative load -4"},
      {"[[[1], [-2]]]", "step 0, layer 1, expert 0: negative load -2"},
      {"[[1, 2], [3]]", "layer 1: 1 experts, but 2 in the rows before"},
      {"[[[1], [2]], [[3]]]", "step 1: 1 layers, but 2 in the rows before"},
      {"[[9007199254740993]]", "load 9007199254740993 is more than"},
      {"[[18446744073709551615]]", "18446744073709551615 is not in"},
      {"[[1e300]]", "load 1e+300 is more than"},
      {"[[-0.5]]", "negative load -0.5"},
      {"[[null]]", "layer 0, expert 0: neither a number"},
      {"[[NaN]]", "line 1, column 3: not JSON"},
      {"[[Infinity]]", "not JSON"},
      {R"({"logical_count": [[1]], "logical_count": [[1]]})",
       "'logical_count' is there twice"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ParseJsonLoads(c.text), StatusIs(kInvalid, HasSubstr(c.error)))
        << c.text;
  }
}

TEST(JsonLoadsTest, AnswersEveryDamage) {
  ForEachDamage(R"({"logical_count":[[[1,2.5],[3,4]],[[5,6],[7,8e2]]]})",
                [](absl::string_view damaged) {
                  ParseJsonLoads(damaged).status().IgnoreError();
                });
}

}  // namespace
}  // namespace eplb
