#include "tools/house/error_check.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Check(const std::string& cell,
                               const std::string& source) {
  return CheckDocumentedErrors(
      {"docs/errors.md",
       "| message | status |\n|---|---|\n| " + cell + " | `NOT_FOUND` |\n"},
      {{"eplb/core/a.cc", source}});
}

TEST(ErrorCheckTest, JoinsLiteralsThatOnlySpacesAndCommentsPart) {
  EXPECT_THAT(StringLiterals("f(\"one \"\n  // \"no\"\n  \"two\", \"three\")"),
              ElementsAre("one two", "three"));
  EXPECT_THAT(StringLiterals("\"one\" /* \"no\" */ \"two\" x \"three\""),
              ElementsAre("onetwo", "three"));
}

TEST(ErrorCheckTest, ReadsEscapesAndPassesOverWhatIsNoString) {
  EXPECT_THAT(StringLiterals(R"(a("say \"no\" \\x") + '"' + b(1'000, "c"))"),
              ElementsAre(R"(say "no" \x)", "c"));
  EXPECT_THAT(StringLiterals(R"(case '"': return "yes"; case '-':)"),
              ElementsAre("yes"));
  EXPECT_THAT(StringLiterals("#include \"a.h\"\nR\"x(\"no\")x\" f(\"yes\")"),
              ElementsAre("yes"));
}

TEST(ErrorCheckTest, EndsWithTextThatIsCutShort) {
  EXPECT_THAT(StringLiterals("\"open\\"), ElementsAre("open\\"));
  EXPECT_THAT(StringLiterals("R\"never"), IsEmpty());
  EXPECT_THAT(StringLiterals("/* never"), IsEmpty());
}

TEST(ErrorCheckTest, AcceptsWhatASourcePrints) {
  EXPECT_THAT(Check("`layer ...: expert ... has no slot`<br>`...: full`",
                    "F(\"layer \", l, \": expert \", e, \" has \"\n"
                    "  \"no slot\"); G(\"disk: full\");"),
              IsEmpty());
}

TEST(ErrorCheckTest, AcceptsWordsThatGoOnInAnotherLiteral) {
  EXPECT_THAT(
      Check("`rank ...: lost: the connection broke`",
            "F(\"rank \", r, \": lost: \", s); G(\"the connection broke\");"),
      IsEmpty());
}

TEST(ErrorCheckTest, NamesWordsThatNoSourcePrints) {
  EXPECT_THAT(Check("`layer ...: expert ... has no place`",
                    "F(\"layer \", l, \": expert \", e, \" has no slot\");"),
              ElementsAre("docs/errors.md:3: no source prints "
                          "\"has no place\""));
  EXPECT_THAT(Check("`gone`", "// \"gone\"\n"),
              ElementsAre("docs/errors.md:3: no source prints \"gone\""));
}

TEST(ErrorCheckTest, FindsTheWordsOfEachErrorOfASource) {
  const std::vector<ErrorFragment> errors = PrintedErrors(
      {"a.cc",
       "return absl::NotFoundError(\n    absl::StrCat(name, \": \", f(1),\n"
       "    \" is no (such) \"\n    \"thing, \"));\n"
       "return absl::InternalError(text);\nParseError(\"not of absl\");\n"
       "return absl::InternalError(\"x\");\n"});
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].place, "a.cc:1");
  EXPECT_EQ(errors[0].text, "is no (such) thing");
}

TEST(ErrorCheckTest, NamesErrorsWithoutARow) {
  const SourceFile page = {
      "docs/errors.md",
      "| message | x |\n|---|---|\n| `... is no thing of ...`<br>`full` | x "
      "|\n"};
  const auto check = [&](const std::string& arguments) {
    return CheckPrintedErrors(
        page, {{"a.cc", absl::StrCat("absl::DataLossError(", arguments, ")")}});
  };
  EXPECT_THAT(check("StrCat(a, \" is no thing of \", b)"), IsEmpty());
  EXPECT_THAT(check("\"it is no thing of mine\""), IsEmpty());
  EXPECT_THAT(
      check("\"the house is full\""),
      ElementsAre("a.cc:1: docs/errors.md has no row for \"the house is "
                  "full\""));
}

TEST(ErrorCheckTest, ReadsTheFirstCellsOfTablesOfMessagesAlone) {
  EXPECT_THAT(DocumentedErrorFragments(
                  {"a.md", "`text`\n| word | `x` |\n| `y` | z |\n"}),
              IsEmpty());
}

}  // namespace
}  // namespace eplb
