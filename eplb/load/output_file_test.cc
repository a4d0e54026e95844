#include "eplb/load/output_file.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

int FilesIn(const TemporaryFolder& folder) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    (void)entry;
    ++count;
  }
  return count;
}

TEST(ReplaceFileTest, MakesAndReplacesAFileAndLeavesNothingElse) {
  TemporaryFolder folder;
  for (const char* content : {"old and longer", "new"}) {
    ASSERT_THAT(ReplaceFile(folder.PathOf("plan"), content), IsOk());
    EXPECT_EQ(folder.Read("plan"), content);
    EXPECT_EQ(FilesIn(folder), 1);
  }
}

TEST(CheckReplaceableTest, SaysBeforehandWhatReplaceFileWouldSay) {
  const TemporaryFolder folder;
  folder.Write("old", "content");
  for (const std::string& name :
       {folder.PathOf("new"), folder.PathOf("old"), folder.PathOf("no/plan"),
        folder.path(), std::string("/dev/null"), std::string()}) {
    EXPECT_EQ(CheckReplaceable(name), ReplaceFile(name, "content")) << name;
  }
}

TEST(CheckReplaceableTest, LeavesNoTrace) {
  const TemporaryFolder folder;
  folder.Write("old", "content");
  EXPECT_THAT(CheckReplaceable(folder.PathOf("old")), IsOk());
  EXPECT_THAT(CheckReplaceable(folder.PathOf("new")), IsOk());
  EXPECT_EQ(folder.Read("old"), "content");
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(ReplaceFileTest, FollowsALink) {
  TemporaryFolder folder;
  folder.Write("target", "old");
  std::filesystem::create_symlink("target", folder.PathOf("link"));
  ASSERT_THAT(ReplaceFile(folder.PathOf("link"), "new"), IsOk());
  EXPECT_EQ(folder.Read("target"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.PathOf("link")));
}

TEST(ReplaceFileTest, RefusesFoldersAndDevices) {
  TemporaryFolder folder;
  for (const std::string& name : {folder.path(), std::string("/dev/null")}) {
    EXPECT_THAT(ReplaceFile(name, "x"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("exists and is no regular file")));
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(ReplaceFileTest, NamesAPlaceThatCannotBeWritten) {
  TemporaryFolder folder;
  EXPECT_THAT(ReplaceFile(folder.PathOf("no/plan"), "x"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no/plan: cannot write: No such file")));
  EXPECT_THAT(ReplaceFile("", "x"), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("is empty")));
  // Nobody may make files here, not even root.
  EXPECT_THAT(ReplaceFile("/proc/eplb_plan.json", "x"), testing::Not(IsOk()));
}

}  // namespace
}  // namespace eplb
