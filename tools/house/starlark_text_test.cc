#include "tools/house/starlark_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

auto Quoted(int line, const char* function, const char* value) {
  return AllOf(Field(&QuotedString::line, line),
               Field(&QuotedString::function, function),
               Field(&QuotedString::value, value));
}

TEST(StarlarkTextTest, FindsStringsWithTheirLineAndCall) {
  EXPECT_THAT(
      QuotedStrings("load(\"@a//:b.bzl\", \"b\")\n"
                    "b(\n"
                    "    deps = [\":c\"] + select({\"d\": []}),\n"
                    "    name = \"e\",\n"
                    ")\n"
                    "F = [\"f\"]\n"),
      ElementsAre(Quoted(1, "load", "@a//:b.bzl"), Quoted(1, "load", "b"),
                  Quoted(3, "b", ":c"), Quoted(3, "select", "d"),
                  Quoted(4, "b", "e"), Quoted(6, "", "f")));
}

TEST(StarlarkTextTest, LeavesOutCommentsAndDocstrings) {
  EXPECT_THAT(QuotedStrings("\"\"\"About\n\"quoted\" words.\"\"\"\n"
                            "# \"@comment//:label\"\n"
                            "x = \"a # b\"  # \"c\"\n"),
              ElementsAre(Quoted(4, "", "a # b")));
}

TEST(StarlarkTextTest, EndsWithTheFile) {
  EXPECT_THAT(QuotedStrings(""), IsEmpty());
  EXPECT_THAT(QuotedStrings("\"\"\"no end"), IsEmpty());
  EXPECT_THAT(QuotedStrings("f(\"no end"),
              ElementsAre(Quoted(1, "f", "no end")));
  EXPECT_THAT(QuotedStrings("\"\\"), ElementsAre(Quoted(1, "", "\\")));
}

}  // namespace
}  // namespace eplb
