// Reads the labels of all BUILD and .bzl files of the repository: every
// external repository must be declared in both modes of Bazel.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tools/house/label_check.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

TEST(ExternalLabelsTest, EveryRepositoryIsDeclaredInBothModes) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::vector<SourceFile>> files = ReadSources(
      *root, {"BUILD.bazel", ".bzl", "MODULE.bazel", "WORKSPACE", ".bazelrc"});
  ASSERT_TRUE(files.ok()) << files.status();

  // A check that sees nothing would find nothing wrong.
  ASSERT_GE(files->size(), 30u) << "in " << *root;
  ASSERT_TRUE(std::any_of(files->begin(), files->end(),
                          [](const SourceFile& file) {
                            return file.path == "eplb/core/BUILD.bazel" &&
                                   file.text.find("@abseil-cpp//") !=
                                       std::string::npos;
                          }))
      << "in " << *root;

  const std::vector<std::string> problems = CheckExternalLabels(*files);
  EXPECT_TRUE(problems.empty()) << absl::StrJoin(problems, "\n");
}

}  // namespace
}  // namespace eplb
