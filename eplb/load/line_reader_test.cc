#include "eplb/load/line_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/load/input_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class LineReaderTest : public ::testing::Test {
 protected:
  std::vector<std::string> Lines(const std::string& content) {
    absl::StatusOr<InputFile> file =
        InputFile::Open(folder_.Write("lines", content));
    EXPECT_THAT(file, IsOk());
    LineReader reader(*std::move(file));
    std::vector<std::string> lines;
    std::string line;
    while (true) {
      const absl::StatusOr<bool> more = reader.Next(line);
      EXPECT_THAT(more, IsOk());
      if (!more.ok() || !*more) return lines;
      lines.push_back(line);
      EXPECT_EQ(reader.line_number(), static_cast<int>(lines.size()));
      last_is_ended_ = reader.line_is_ended();
    }
  }

  TemporaryFolder folder_;
  bool last_is_ended_ = false;
};

TEST_F(LineReaderTest, TellsWhetherTheLastLineIsEnded) {
  EXPECT_THAT(Lines("a\n\nbc\n"), ElementsAre("a", "", "bc"));
  EXPECT_TRUE(last_is_ended_);
  EXPECT_THAT(Lines("a\nbc"), ElementsAre("a", "bc"));
  EXPECT_FALSE(last_is_ended_);
  EXPECT_THAT(Lines(""), IsEmpty());
}

TEST_F(LineReaderTest, ReadsLinesAroundTheEndsOfBlocks) {
  std::vector<std::string> lines;
  std::string content;
  for (const int length : {(1 << 18) - 1, 1 << 18, 3, 1 << 20, (1 << 18) - 5}) {
    lines.push_back(std::string(length, static_cast<char>('a' + lines.size())));
    content += lines.back() + "\n";
  }
  EXPECT_THAT(Lines(content), ElementsAreArray(lines));
  EXPECT_TRUE(last_is_ended_);
}

}  // namespace
}  // namespace eplb
