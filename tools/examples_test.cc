// Runs the examples of every command's help as they are printed.

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

// A folder that looks like the root of a clone.
class ExamplesTest : public ::testing::Test {
 protected:
  ExamplesTest() : program_(std::filesystem::absolute("tools/eplb")) {
    std::filesystem::create_symlink(std::filesystem::absolute("testing"),
                                    folder_.PathOf("testing"));
  }

  ProgramResult RunLine(const std::string& line) {
    return RunProcess({"/bin/bash", "--norc", "-c",
                       absl::StrCat("eplb() { ", program_, " \"$@\"; }; cd ",
                                    folder_.path(), "; ", line)});
  }

  std::string Results(const std::string& line) {
    const ProgramResult result = RunLine(line);
    EXPECT_EQ(result.exit_status, 0) << line;
    EXPECT_THAT(result.standard_error, IsEmpty()) << line;
    return result.standard_output;
  }

  TemporaryFolder folder_;
  std::string program_;
};

// The lines that begin with `prefix`, without it.
std::vector<std::string> LinesAfter(const std::string& text,
                                    absl::string_view prefix) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, prefix)) {
      lines.emplace_back(line.substr(prefix.size()));
    }
  }
  return lines;
}

TEST_F(ExamplesTest, EveryCommandsHelpHasExamplesThatWork) {
  std::vector<std::string> commands;
  for (const std::string& line : LinesAfter(Results("eplb help"), "  ")) {
    commands.push_back(line.substr(0, line.find(' ')));
  }
  ASSERT_THAT(commands, Contains("simulate"));
  for (const std::string& command : commands) {
    if (command == "help") continue;
    const std::vector<std::string> examples =
        LinesAfter(Results("eplb help " + command), "  eplb ");
    EXPECT_THAT(examples, Not(IsEmpty())) << command;
    for (const std::string& example : examples) {
      EXPECT_TRUE(absl::StartsWith(example, command + " ")) << example;
      EXPECT_THAT(Results("eplb " + example), Not(IsEmpty())) << example;
    }
  }
}

}  // namespace
}  // namespace eplb
