#include "tools/house/source_tree.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

class SourceTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / "source_tree_test";
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(SourceTreeTest, ReadsTheFilesWithASuffixInOrder) {
  Write("policies/b.cc", "b");
  Write("eplb/core/a.h", "a");
  Write("README.md", "no source");
  EXPECT_THAT(ReadSources(root_.string(), {".h", ".cc"}).value(),
              ElementsAre(AllOf(Field(&SourceFile::path, "eplb/core/a.h"),
                                Field(&SourceFile::text, "a")),
                          AllOf(Field(&SourceFile::path, "policies/b.cc"),
                                Field(&SourceFile::text, "b"))));
}

TEST_F(SourceTreeTest, LeavesOutHiddenFoldersAndBazelsLinks) {
  Write(".git/a.cc", "");
  Write("bazel-bin/a.cc", "");
  Write("tools/bazel-notes/a.cc", "");
  EXPECT_THAT(ReadSources(root_.string(), {".cc"}).value(),
              ElementsAre(Field(&SourceFile::path, "tools/bazel-notes/a.cc")));
}

TEST_F(SourceTreeTest, RefusesAFolderThatIsNotThere) {
  EXPECT_FALSE(ReadSources((root_ / "nowhere").string(), {".cc"}).ok());
}

}  // namespace
}  // namespace eplb
