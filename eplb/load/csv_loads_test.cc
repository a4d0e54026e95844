#include "eplb/load/csv_loads.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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

std::string WithHeader(absl::string_view lines) {
  return absl::StrCat("layer_id,expert_id,count\n", lines);
}

TEST(CsvLoadsTest, ReadsLinesInAnyOrderAndOfAnyEnd) {
  for (const char* text :
       {"layer_id,expert_id,count\n0,0,1\n0,1,2\n1,0,3\n1,1,4\n",
        "layer_id,expert_id,count\r\n1,1,4\r\n0,1,2\r\n1,0,3\r\n0,0,1\r\n",
        "\xEF\xBB\xBFlayer_id,expert_id,count\n1,0,2.75\n0,0,1\n0,1,2\n1,1,"
        "4"}) {
    EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads, ParseCsvLoads(text));
    EXPECT_EQ(loads.num_layers(), 2);
    EXPECT_THAT(loads.step(0), ElementsAre(1, 2, 3, 4));
  }
}

TEST(CsvLoadsTest, SaysWhatIsWrongAndWhere) {
  const struct {
    const char* lines;
    const char* error;
  } cases[] = {
      {"", "no line follows the header"},
      {"0,0\n", "line 2: '0,0' has 2 values"},
      {"0,0,1,1\n", "line 2: '0,0,1,1' has 4 values"},
      {"0,0,1\n\n0,1,1\n", "line 3: '' has 1 values"},
      {"x,0,1\n", "line 2: layer_id 'x' is not an integer"},
      {"0,-1,1\n", "line 2: expert_id '-1' is not an integer in [0, "},
      {"0,99999999999999999999,1\n", "expert_id '99999999999999999999'"},
      {"0,0,1\n0,1,-4\n", "line 3: layer 0, expert 1: negative load -4"},
      {"0,0,nan\n", "load nan is not a finite number"},
      {"0,0,1e300\n", "load 1e+300 is more than"},
      {"0,0,\n", "load '' is not a number"},
      {"0,0,1\n0,1,1\n0,0,2\n",
       "line 4: layer 0, expert 0 is there already, on line 2"},
      {"0,0,1\n0,1,1\n1,1,1\n", "layer 1, expert 0 is missing"},
      {"0,0,1\n0,1,1\n1,0,1\n", "layer 1, expert 1 is missing"},
      {"1,0,1\n", "layer 0, expert 0 is missing"},
      {"200000000,200000000,1\n", "layer 0, expert 0 is missing"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ParseCsvLoads(WithHeader(c.lines)),
                StatusIs(kInvalid, HasSubstr(c.error)))
        << c.lines;
  }
  EXPECT_THAT(ParseCsvLoads("layer,expert,count\n0,0,1\n"),
              StatusIs(kInvalid, HasSubstr("line 1: 'layer,expert,count' is "
                                           "not the header")));
  EXPECT_THAT(ParseCsvLoads(""), StatusIs(kInvalid, HasSubstr("line 1")));
}

TEST(CsvLoadsTest, AnswersEveryDamage) {
  ForEachDamage(WithHeader("0,0,1\r\n0,1,2.5\n1,0,3\n1,1,4\n"),
                [](absl::string_view damaged) {
                  ParseCsvLoads(damaged).status().IgnoreError();
                });
}

}  // namespace
}  // namespace eplb
