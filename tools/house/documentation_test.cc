// Runs the commands of README.md, of the pages in docs, and of the examples, as
// a reader would: page by page, from the top.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/house/documented_commands.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Stands for bazelw inside of a test, where no Bazel can run: what it would
// build has been built.
constexpr char kBazelw[] = R"sh(#!/bin/bash
set -euo pipefail
command=$1 target= && shift
while (($#)) && [[ $1 != -- ]]; do
  if [[ $1 == //* ]]; then target=$1; fi
  shift
done
if (($#)); then shift; fi
path=${target#//}
case $command in
  run) exec "bazel-bin/${path/://}" "$@" ;;
  test) [[ -d $WORKSPACE_ROOT/${path%...} ]] ;;
  build) [[ -x bazel-bin/${path/://} ]] ;;
  *) echo "bazelw $command is not known here" >&2; exit 1 ;;
esac
)sh";

// A folder that looks like the root of a clone after a build, for one page.
class Clone {
 public:
  explicit Clone(const std::string& workspace_root)
      : environment_(
            {"WORKSPACE_ROOT=" + workspace_root,
             "PATH=" + folder_.PathOf("bin") + ":/usr/local/bin:/usr/bin:/bin",
             "TMPDIR=" + folder_.PathOf("tmp")}) {
    folder_.Write("bazelw", kBazelw);
    fs::permissions(folder_.PathOf("bazelw"), fs::perms::owner_all);
    fs::create_directory(folder_.PathOf("bin"));
    fs::create_directory(folder_.PathOf("tmp"));
    const fs::path runfiles = fs::current_path();
    fs::create_symlink(runfiles / "tools/eplb", folder_.PathOf("bin/eplb"));
    fs::create_symlink(runfiles, folder_.PathOf("bazel-bin"));
    fs::create_symlink(runfiles / "testing", folder_.PathOf("testing"));
  }

  // What the command prints. Files that the page has in /tmp are in the folder.
  ProgramResult Run(const std::string& command) const {
    const std::string inside =
        absl::StrReplaceAll(command, {{"/tmp/", folder_.PathOf("tmp/")}});
    ProgramResult result = RunProcess(
        {"/bin/bash", "-c", absl::StrCat("cd ", folder_.path(), "\n", inside)},
        {.environment = environment_});
    for (std::string* printed :
         {&result.standard_output, &result.standard_error}) {
      absl::StrReplaceAll({{folder_.PathOf("tmp/"), "/tmp/"}}, printed);
    }
    return result;
  }

 private:
  const TemporaryFolder folder_;
  const std::vector<std::string> environment_;
};

bool IsDocumentation(const std::string& path) {
  return path == "README.md" || path == "CONTRIBUTING.md" ||
         absl::StartsWith(path, "docs/");
}

// What is printed for an error is documented with it.
bool ExpectsError(const DocumentedCommand& command) {
  return std::any_of(
      command.output.begin(), command.output.end(),
      [](const std::string& line) { return absl::StartsWith(line, "eplb: "); });
}

void CheckPage(const SourceFile& page, const std::string& root,
               int& num_commands) {
  const DocumentedCommands found = FindDocumentedCommands(page);
  EXPECT_THAT(found.problems, IsEmpty());
  const Clone clone(root);
  for (const DocumentedCommand& command : found.commands) {
    SCOPED_TRACE(absl::StrCat(command.place, ": ", command.text));
    const ProgramResult result = clone.Run(command.text);
    const std::string printed =
        absl::StrCat(result.standard_output, result.standard_error);
    EXPECT_EQ(result.exit_status != 0, ExpectsError(command)) << printed;
    EXPECT_EQ(MissingLine(command.output, printed), "") << printed;
    ++num_commands;
  }
}

TEST(DocumentationTest, EveryCommandDoesWhatThePageSays) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::vector<SourceFile>> pages =
      ReadSources(*root, {".md"});
  ASSERT_TRUE(pages.ok()) << pages.status();
  int num_commands = 0;
  for (const SourceFile& page : *pages) {
    if (IsDocumentation(page.path)) CheckPage(page, *root, num_commands);
  }
  // A check that sees nothing would find nothing wrong.
  EXPECT_GE(num_commands, 10);
}

// With commas between groups of three digits.
std::string WithCommas(double number) {
  std::string digits = absl::StrFormat("%.0f", number);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(i, ",");
  }
  return digits;
}

TEST(DocumentationTest, TheTableOfTheReadmeHasTheFiguresOfItsCommand) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::vector<SourceFile>> pages =
      ReadSources(*root, {"README.md"});
  ASSERT_TRUE(pages.ok()) << pages.status();
  const auto readme = std::find_if(
      pages->begin(), pages->end(),
      [](const SourceFile& page) { return page.path == "README.md"; });
  ASSERT_NE(readme, pages->end());
  const std::string start = "./bazelw run //tools:eplb -- simulate ";
  const size_t begin = readme->text.find(start);
  ASSERT_NE(begin, std::string::npos);
  const ProgramResult result = Clone(*root).Run(absl::StrCat(
      readme->text.substr(begin, readme->text.find('\n', begin) - begin),
      " --format=json"));
  ASSERT_EQ(result.exit_status, 0) << result.standard_error;
  const auto json = nlohmann::json::parse(result.standard_output);
  EXPECT_EQ(json["results"].size(), 3u);
  for (const auto& row : json["results"]) {
    const std::string policy = row["policy"];
    const size_t at = readme->text.find(absl::StrCat("\n| `", policy, "`"));
    ASSERT_NE(at, std::string::npos) << policy;
    const std::string line =
        readme->text.substr(at + 1, readme->text.find('\n', at + 1) - at - 1);
    EXPECT_THAT(
        line,
        AllOf(HasSubstr(absl::StrFormat(
                  "| %.3f | %.3f | ", row["balancedness"].get<double>(),
                  row["balancedness_without"].get<double>())),
              HasSubstr(absl::StrCat(
                  "| ", WithCommas(row["moved_slots_per_rearrangement"]), " ")),
              HasSubstr(absl::StrFormat(
                  "| %.0f GiB |",
                  row["moved_bytes_per_rearrangement"].get<double>() /
                      (1 << 30)))));
  }
}

}  // namespace
}  // namespace eplb
