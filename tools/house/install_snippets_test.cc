// What README.md and docs/integration.md tell to put into a workspace is what
// examples/downstream has in its own, and is tested there.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

using ::testing::IsSubsetOf;
using ::testing::SizeIs;

// The lines of each block whose first line is a comment with the file's name.
std::vector<std::vector<std::string>> StarlarkBlocks(absl::string_view page) {
  std::vector<std::vector<std::string>> blocks;
  bool in_block = false;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (absl::StartsWith(line, "```")) {
      in_block = line == "```starlark";
      if (in_block) blocks.emplace_back();
    } else if (in_block) {
      blocks.back().emplace_back(line);
    }
  }
  return blocks;
}

std::string TextOf(const std::vector<SourceFile>& files,
                   const std::string& path) {
  const auto found =
      std::find_if(files.begin(), files.end(),
                   [&](const SourceFile& file) { return file.path == path; });
  EXPECT_NE(found, files.end()) << path;
  return found == files.end() ? "" : found->text;
}

TEST(InstallSnippetsTest, AreWhatTheDownstreamExampleHas) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::vector<SourceFile>> files = ReadSources(
      *root, {"README.md", "docs/integration.md", "MODULE.bazel", "WORKSPACE"});
  ASSERT_TRUE(files.ok()) << files.status();
  for (const char* const page : {"README.md", "docs/integration.md"}) {
    SCOPED_TRACE(page);
    const auto blocks = StarlarkBlocks(TextOf(*files, page));
    ASSERT_THAT(blocks, SizeIs(2));
    for (std::vector<std::string> block : blocks) {
      const std::string name = block.front().substr(2);
      block.erase(block.begin());
      // A reader's clone is elsewhere.
      const std::string tested = absl::StrReplaceAll(
          TextOf(*files, absl::StrCat("examples/downstream/", name)),
          {{"\"../..\"", "\"../eplb\""}});
      EXPECT_THAT(
          block,
          IsSubsetOf(std::vector<std::string>(absl::StrSplit(tested, '\n'))))
          << name;
    }
  }
}

}  // namespace
}  // namespace eplb
