#include "eplb/load/file_format.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/load/input_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<FileFormat> Detect(const std::string& name,
                                  absl::string_view content) {
  TemporaryFolder folder;
  const absl::StatusOr<InputFile> file =
      InputFile::Open(folder.Write(name, content));
  if (!file.ok()) return file.status();
  return DetectFileFormat(*file);
}

TEST(FileFormatTest, JudgesByContentWhateverTheName) {
  for (const char* name : {"x", "x.npy", "x.csv", "x.json", "x.jsonl"}) {
    EXPECT_THAT(Detect(name, "\x93NUMPY"), IsOkAndHolds(FileFormat::kNpy));
    EXPECT_THAT(Detect(name, "layer_id,expert_id,count\n"),
                IsOkAndHolds(FileFormat::kCsv));
    EXPECT_THAT(Detect(name, " [[1"), IsOkAndHolds(FileFormat::kJson));
    EXPECT_THAT(Detect(name, R"({"by": {"format": "x"}, "logical_count": [)"),
                IsOkAndHolds(FileFormat::kJson));
    EXPECT_THAT(Detect(name, R"({"format": "eplb.placement/1")"),
                IsOkAndHolds(FileFormat::kPlacement));
    EXPECT_THAT(Detect(name, R"({"model_name": "m", "num_moe_layers": 1})"),
                IsOkAndHolds(FileFormat::kLoadDump));
    EXPECT_THAT(Detect(name, R"({"format": "eplb.load_dump/1"})"),
                IsOkAndHolds(FileFormat::kLoadDump));
  }
}

TEST(FileFormatTest, JudgesByTheNameWhereTheContentSaysNothing) {
  EXPECT_THAT(Detect("x.NPY", "?"), IsOkAndHolds(FileFormat::kNpy));
  EXPECT_THAT(Detect("x.csv", "?"), IsOkAndHolds(FileFormat::kCsv));
  EXPECT_THAT(Detect("x.json", "{"), IsOkAndHolds(FileFormat::kJson));
  EXPECT_THAT(Detect("x.jsonl", "{"), IsOkAndHolds(FileFormat::kLoadDump));
}

TEST(FileFormatTest, RefusesWhatItDoesNotKnow) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Detect("x", "?"),
              StatusIs(kInvalid, HasSubstr("neither content")));
  EXPECT_THAT(Detect("x.npy", ""), StatusIs(kInvalid, HasSubstr("is empty")));
}

TEST(FileFormatTest, HasANameForEveryFormat) {
  EXPECT_EQ(FileFormatName(FileFormat::kNpy), "npy");
  EXPECT_EQ(FileFormatName(FileFormat::kLoadDump), "load_dump");
}

}  // namespace
}  // namespace eplb
