// Every message of docs/errors.md is printed by some source, and every error of
// the sources has a row there.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tools/house/error_check.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

// Tests quote messages, so they would vouch for any that is gone. Of testing/,
// eplb itself makes its traffic with one part.
bool IsForUsers(const SourceFile& source) {
  const absl::string_view path = source.path;
  return !absl::StartsWith(path, "tools/house/") &&
         !absl::StartsWith(path, "benchmarks/") &&
         !absl::StartsWith(path, "examples/") &&
         (!absl::StartsWith(path, "testing/") ||
          absl::StartsWith(path, "testing/traffic")) &&
         !absl::StrContains(path, "_test") &&
         !absl::StrContains(path, "_fuzz.") &&
         !absl::StrContains(path, "_benchmark.") &&
         !absl::StrContains(path, "conformance");
}

// What stands for an error until the real one is known.
bool IsNeverSeen(const std::string& problem) {
  return absl::StrContains(problem, "\"no connection\"") ||
         absl::StrContains(problem, "\"no memory\"");
}

TEST(DocumentedErrorsTest, ThePageAndTheSourcesTellOfTheSameErrors) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::vector<SourceFile>> pages =
      ReadSources(*root, {"docs/errors.md"});
  ASSERT_TRUE(pages.ok()) << pages.status();
  ASSERT_EQ(pages->size(), 1u) << "in " << *root;
  absl::StatusOr<std::vector<SourceFile>> sources =
      ReadSources(*root, {".cc", ".cu", ".h"});
  ASSERT_TRUE(sources.ok()) << sources.status();
  sources->erase(std::remove_if(sources->begin(), sources->end(),
                                [](const SourceFile& source) {
                                  return !IsForUsers(source);
                                }),
                 sources->end());

  // A check that sees nothing would find nothing wrong.
  EXPECT_GE(DocumentedErrorFragments(pages->front()).size(), 300u);

  std::vector<std::string> problems =
      CheckDocumentedErrors(pages->front(), *sources);
  EXPECT_TRUE(problems.empty()) << absl::StrJoin(problems, "\n");

  problems = CheckPrintedErrors(pages->front(), *sources);
  problems.erase(std::remove_if(problems.begin(), problems.end(), IsNeverSeen),
                 problems.end());
  EXPECT_TRUE(problems.empty()) << absl::StrJoin(problems, "\n");
}

}  // namespace
}  // namespace eplb
