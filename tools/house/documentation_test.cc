// Runs the commands of README.md, of the pages in docs, and of the examples, as
// a reader would: page by page, from the top.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/house/documented_commands.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
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

}  // namespace
}  // namespace eplb
