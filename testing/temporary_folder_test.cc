#include "testing/temporary_folder.h"

#include <filesystem>
#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(TemporaryFolderTest, KeepsFilesByteByByte) {
  TemporaryFolder folder;
  const std::string content("a\0\r\n\xff", 5);
  EXPECT_EQ(folder.Write("file", content), folder.PathOf("file"));
  EXPECT_EQ(folder.Read("file"), content);
}

TEST(TemporaryFolderTest, IsGoneAfterwards) {
  std::optional<TemporaryFolder> folder(std::in_place);
  const std::string file = folder->Write("file", "x");
  ASSERT_TRUE(std::filesystem::exists(file));
  folder.reset();
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(TemporaryFolderTest, IsAnotherOneEachTime) {
  TemporaryFolder a;
  TemporaryFolder b;
  EXPECT_NE(a.path(), b.path());
}

}  // namespace
}  // namespace eplb
