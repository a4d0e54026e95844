// Reads the includes of all sources of the repository: no room may include
// what the plan of the house (plan.h) does not allow.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tools/house/include_check.h"
#include "tools/house/plan.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

TEST(IncludeTest, EveryRoomIncludesOnlyWhatThePlanAllows) {
  const absl::StatusOr<std::string> root = WorkspaceRootOfTest();
  ASSERT_TRUE(root.ok()) << root.status();
  // Those of the house, and those that others use.
  const absl::StatusOr<std::vector<SourceFile>> sources = ReadSources(
      *root, {".h",   ".cc",   ".cu",  ".cuh", ".c",   ".C",   ".c++",
              ".cpp", ".cppm", ".cxx", ".H",   ".h++", ".hh",  ".hpp",
              ".hxx", ".inc",  ".inl", ".ipp", ".ixx", ".tcc", ".tpp"});
  ASSERT_TRUE(sources.ok()) << sources.status();

  // A check that sees nothing would find nothing wrong.
  ASSERT_GE(sources->size(), 30u) << "in " << *root;
  ASSERT_TRUE(std::any_of(sources->begin(), sources->end(),
                          [](const SourceFile& source) {
                            return source.path == "eplb/core/placement.cc";
                          }))
      << "in " << *root;

  const std::vector<std::string> problems =
      CheckIncludes(HousePlan(), *sources);
  EXPECT_TRUE(problems.empty()) << absl::StrJoin(problems, "\n");
}

}  // namespace
}  // namespace eplb
