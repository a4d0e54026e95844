#include "tools/house/label_check.h"

#include <map>
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

// A small workspace in which all is in its place; each test breaks one thing.
class LabelCheckTest : public ::testing::Test {
 protected:
  std::vector<std::string> Check() const {
    std::vector<SourceFile> files;
    for (const auto& [path, text] : files_) files.push_back({path, text});
    return CheckExternalLabels(files);
  }

  std::map<std::string, std::string> files_ = {
      {"MODULE.bazel",
       "bazel_dep(name = \"json\", version = \"1\")\n"
       "use_repo(system, \"gloo\")\n"},
      {"policies/BUILD.bazel",
       "load(\"@json//:defs.bzl\", \"x\")\n"
       "x(deps = [\n"
       "    \"@json//parse\",\n"
       "    \"@gloo//:gloo\",\n"
       "    \"@bazel_tools//tools/cpp:toolchain\",\n"
       "    \"@eplb//policies\",\n"
       "])\n"},
      {"third_party/deps.bzl", "_ALL = [\"json\", \"gloo\", \"system\"]\n"},
      {"third_party/system/modules/json/BUILD.bazel", ""},
      {"third_party/system/modules/json/MODULE.bazel",
       "module(name = \"json\")\nuse_repo(s, \"system\")\n"},
      {"third_party/system/modules/json/defs.bzl", ""},
      {"third_party/system/modules/json/parse/BUILD.bazel",
       "alias(\n    name = \"parse\",\n    actual = \"@system//:json\",\n)\n"},
      {"third_party/system/offline.bazelrc",
       "common --override_module=json=%workspace%/third_party/system/modules/"
       "json\n"},
  };
};

TEST_F(LabelCheckTest, AcceptsLabelsThatAreDeclaredInBothModes) {
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(LabelCheckTest, NamesARepositoryThatNobodyDeclares) {
  files_["eplb/core/BUILD.bazel"] = "\n# why\nx(deps = [\"@zstd//:zstd\"])\n";
  EXPECT_THAT(Check(),
              ElementsAre("eplb/core/BUILD.bazel:3: @zstd//:zstd: @zstd is not "
                          "declared in third_party/deps.bzl",
                          "eplb/core/BUILD.bazel:3: @zstd//:zstd: @zstd is in "
                          "no bazel_dep or use_repo of MODULE.bazel"));
}

TEST_F(LabelCheckTest, LeavesOutTheOtherWorkspaceButNotTheFolderAroundIt) {
  files_["examples/downstream/BUILD.bazel"] = "x(deps = [\"@zstd//:zstd\"])\n";
  EXPECT_THAT(Check(), IsEmpty());
  files_["examples/BUILD.bazel"] = "x(deps = [\"@json//print\"])\n";
  EXPECT_THAT(Check(),
              ElementsAre(HasSubstr("examples/BUILD.bazel:1: @json//print: ")));
}

TEST_F(LabelCheckTest, WantsTheRepositoryInWorkspaceMode) {
  files_["third_party/deps.bzl"] = "_ALL = [\"json\", \"system\"]\n";
  EXPECT_THAT(
      Check(),
      ElementsAre(HasSubstr("@gloo is not declared in third_party/deps.bzl")));
}

TEST_F(LabelCheckTest, WantsTheRepositoryInModuleMode) {
  files_["MODULE.bazel"] =
      "bazel_dep(name = \"json\", version = \"1\")\n# \"gloo\"\n";
  EXPECT_THAT(
      Check(),
      ElementsAre(HasSubstr("@gloo is in no bazel_dep or use_repo of MODULE")));
}

TEST_F(LabelCheckTest, WantsTheTargetInTheStandIn) {
  files_["policies/BUILD.bazel"] =
      "x(deps = [\"@json//parse:fast\", \"@json//print\"])\n";
  EXPECT_THAT(
      Check(),
      ElementsAre(HasSubstr("json/parse/BUILD.bazel has no target \"fast\""),
                  HasSubstr("json/print/BUILD.bazel has no target \"print\"")));
}

TEST_F(LabelCheckTest, WantsTheFileThatIsLoadedInTheStandIn) {
  files_.erase("third_party/system/modules/json/defs.bzl");
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("has no target \"defs.bzl\"")));
}

TEST_F(LabelCheckTest, WantsTheOverrideOfAStandInThatIsAModule) {
  files_["third_party/system/offline.bazelrc"] = "";
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("lacks --override_module=json=")));
  files_.erase("third_party/system/modules/json/MODULE.bazel");
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(LabelCheckTest, HoldsAStandInToItsOwnModuleFile) {
  files_["third_party/system/modules/json/MODULE.bazel"] =
      "module(name = \"json\")\n";
  EXPECT_THAT(Check(), ElementsAre(HasSubstr(
                           "@system is in no bazel_dep or use_repo of "
                           "third_party/system/modules/json/MODULE.bazel")));
}

}  // namespace
}  // namespace eplb
