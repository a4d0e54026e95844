#include "eplb/load/json_table.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(JsonTableBuilderTest, KeepsRowsInOrder) {
  JsonTableBuilder builder({.axes = {"layer", "slot"}});
  ASSERT_THAT(builder.OpenArray(), IsOk());
  for (const uint64_t first : {uint64_t{1}, uint64_t{3}}) {
    ASSERT_THAT(builder.OpenArray(), IsOk());
    ASSERT_THAT(builder.Add(first), IsOk());
    ASSERT_THAT(builder.Add(first + 1), IsOk());
    ASSERT_THAT(builder.CloseArray(), IsOk());
  }
  EXPECT_FALSE(builder.complete());
  ASSERT_THAT(builder.CloseArray(), IsOk());
  EXPECT_TRUE(builder.complete());
  const JsonTable table = builder.Take();
  EXPECT_THAT(table.extents, ElementsAre(2, 2));
  EXPECT_THAT(table.values, ElementsAre(1, 2, 3, 4));
}

TEST(JsonIntegerTest, RefusesFractionsAndWhatIsOutOfRange) {
  EXPECT_THAT(JsonInteger(uint64_t{7}, 0, 7), IsOkAndHolds(7));
  EXPECT_THAT(JsonInteger(int64_t{-1}, -1, 7), IsOkAndHolds(-1));
  EXPECT_THAT(JsonInteger(uint64_t{8}, 0, 7),
              StatusIs(kInvalid, "8 is not in [0, 7]"));
  EXPECT_THAT(JsonInteger(1.0, 0, 7),
              StatusIs(kInvalid, "1 is not an integer"));
  EXPECT_THAT(JsonInteger(std::numeric_limits<uint64_t>::max(),
                          std::numeric_limits<int64_t>::min(),
                          std::numeric_limits<int64_t>::max()),
              StatusIs(kInvalid, HasSubstr("18446744073709551615 is not in")));
}

}  // namespace
}  // namespace eplb
