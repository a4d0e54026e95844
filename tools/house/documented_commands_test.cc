#include "tools/house/documented_commands.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

DocumentedCommands In(const std::string& text) {
  return FindDocumentedCommands({.path = "page.md", .text = text});
}

TEST(DocumentedCommandsTest, EveryLineOfAShellBlockIsACommand) {
  const DocumentedCommands found = In(
      "Text.\n\n```sh\neplb help\n\neplb plan \\\n  --slots=4\n```\nText.\n");
  ASSERT_EQ(found.commands.size(), 2u);
  EXPECT_EQ(found.commands[0].text, "eplb help");
  EXPECT_EQ(found.commands[0].place, "page.md:4");
  EXPECT_EQ(found.commands[1].text, "eplb plan \\\n  --slots=4");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(DocumentedCommandsTest, AConsoleBlockHasOutputToo) {
  const DocumentedCommands found =
      In("```console\n$ eplb a\nsays\n  more\n$ eplb b\n```\n");
  ASSERT_EQ(found.commands.size(), 2u);
  EXPECT_EQ(found.commands[0].text, "eplb a");
  EXPECT_THAT(found.commands[0].output, ElementsAre("says", "  more"));
  EXPECT_EQ(found.commands[1].text, "eplb b");
  EXPECT_THAT(found.commands[1].output, IsEmpty());
}

TEST(DocumentedCommandsTest, WhatIsMarkedIsLeftOutAndOnlyThat) {
  const DocumentedCommands found =
      In("<!-- not run: needs Slurm -->\n```sh\nsrun eplb\n```\n"
         "```sh\neplb help\n```\n"
         "```json\n{\"eplb\": 1}\n```\n");
  ASSERT_EQ(found.commands.size(), 1u);
  EXPECT_EQ(found.commands[0].text, "eplb help");
}

TEST(DocumentedCommandsTest, ABlockThatNobodyWouldRunIsAProblem) {
  EXPECT_THAT(In("```\n./bazelw test //...\n```\n").problems,
              ElementsAre(HasSubstr("page.md:1")));
  EXPECT_THAT(In("```\n$ eplb help\n```\n").problems,
              ElementsAre(HasSubstr("```console")));
  EXPECT_THAT(In("```\neplb/core  values\n```\n").problems, IsEmpty());
}

TEST(DocumentedCommandsTest, OutputIsComparedLineByLineInOrder) {
  const std::string printed = "a\nb  \nc\nd\n";
  EXPECT_EQ(MissingLine({"a", "b", "", "d"}, printed), "");
  EXPECT_EQ(MissingLine({"a", "...", "d"}, printed), "");
  EXPECT_EQ(MissingLine({"b", "a"}, printed), "a");
  EXPECT_EQ(MissingLine({"a", "e"}, printed), "e");
  EXPECT_EQ(MissingLine({"a", "a"}, printed), "a");
}

}  // namespace
}  // namespace eplb
