#include "eplb/load/input_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(InputFileTest, ReadsARegularFile) {
  TemporaryFolder folder;
  EPLB_ASSERT_OK_AND_ASSIGN(InputFile opened,
                            InputFile::Open(folder.Write("f", "0123456789")));
  const InputFile file = std::move(opened);
  EXPECT_EQ(file.size(), 10);
  EXPECT_THAT(file.ReadAll(), IsOkAndHolds("0123456789"));
  EXPECT_THAT(file.ReadHead(3), IsOkAndHolds("012"));
  EXPECT_THAT(file.ReadHead(30), IsOkAndHolds("0123456789"));
  char bytes[4];
  ASSERT_THAT(file.ReadAt(5, absl::MakeSpan(bytes)), IsOk());
  EXPECT_EQ(std::string(bytes, 4), "5678");
}

TEST(InputFileTest, RefusesToReadBeyondTheEnd) {
  TemporaryFolder folder;
  EPLB_ASSERT_OK_AND_ASSIGN(const InputFile file,
                            InputFile::Open(folder.Write("f", "0123456789")));
  char bytes[4];
  EXPECT_THAT(file.ReadAt(8, absl::MakeSpan(bytes)),
              StatusIs(kInvalid, HasSubstr("ends at byte 10, 2 bytes too")));
  folder.Write("f", "01");
  EXPECT_THAT(file.ReadAll(), StatusIs(kInvalid, HasSubstr("ends at byte 2")));
}

TEST(InputFileTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  TemporaryFolder folder;
  EXPECT_THAT(InputFile::Open(folder.path()),
              StatusIs(kInvalid, HasSubstr("is a folder")));
  const std::string pipe = folder.PathOf("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(InputFile::Open(pipe),
              StatusIs(kInvalid, HasSubstr("is a pipe or device")));
  EXPECT_THAT(InputFile::Open("/dev/zero"),
              StatusIs(kInvalid, HasSubstr("is a pipe or device")));
}

TEST(InputFileTest, NamesAFileThatIsNotThere) {
  TemporaryFolder folder;
  EXPECT_THAT(InputFile::Open(folder.PathOf("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none: cannot")));
  EXPECT_THAT(InputFile::Open(""), StatusIs(kInvalid, HasSubstr("is empty")));
  EXPECT_THAT(InputFile::Open(std::string("a\0b", 3)),
              StatusIs(kInvalid, HasSubstr("zero byte")));
}

TEST(InputFileTest, RefusesATextThatIsTooLongUnread) {
  TemporaryFolder folder;
  const std::string name = folder.Write("f", "");
  // A file with a hole takes no space.
  std::filesystem::resize_file(name, InputFile::kMaxTextBytes + 1);
  EPLB_ASSERT_OK_AND_ASSIGN(const InputFile file, InputFile::Open(name));
  EXPECT_THAT(file.ReadAll(),
              StatusIs(kInvalid, HasSubstr("has at most 1073741824")));
}

}  // namespace
}  // namespace eplb
