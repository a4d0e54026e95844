#include "tools/command/text_table.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(TextTableTest, LinesUpNumbersOnTheRightAndWordsOnTheLeft) {
  TextTable table({{"layer"}, {"name", /*left=*/true}, {"load"}});
  table.AddRow({"3", "gate", "12"});
  table.AddRow({"12", "up", "3456789"});
  EXPECT_EQ(table.ToString(/*color=*/false),
            "layer  name     load\n"
            "    3  gate       12\n"
            "   12  up    3456789\n");
}

TEST(TextTableTest, SetsTitlesInBoldOnlyInColor) {
  TextTable table({{"a"}});
  table.AddRow({"1"});
  EXPECT_EQ(table.ToString(/*color=*/true), "\x1b[1ma\x1b[0m\n1\n");
}

TEST(TextTableTest, LeavesOutEmptyTitlesAndTrailingSpaces) {
  TextTable table({{"", /*left=*/true}, {"", /*left=*/true}});
  table.AddRow({"ranks", "8"});
  table.AddRow({"x", ""});
  EXPECT_EQ(table.ToString(/*color=*/true), "ranks  8\nx\n");
}

}  // namespace
}  // namespace eplb
