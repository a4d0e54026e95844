#include "eplb/load/load_file.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kDumpLine[] =
    R"({"world_size":1,"num_logical_experts":2,"window_expert_load":[[1,2]],)"
    R"("physical_to_logical_map":[[0,1]]})";

TEST(LoadFileTest, ReadsTheSameLoadsFromEveryTextFormat) {
  TemporaryFolder folder;
  const struct {
    const char* content;
    FileFormat format;
  } cases[] = {{"layer_id,expert_id,count\n0,0,1\n0,1,2\n", FileFormat::kCsv},
               {"[[1,2]]", FileFormat::kJson},
               {kDumpLine, FileFormat::kLoadDump}};
  for (const auto& c : cases) {
    EPLB_ASSERT_OK_AND_ASSIGN(const LoadFile file,
                              ReadLoadFile(folder.Write("loads", c.content)));
    EXPECT_EQ(file.format, c.format);
    EXPECT_THAT(file.loads.step(0), ElementsAre(1, 2));
  }
}

TEST(LoadFileTest, ReadsRealCounts) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const LoadFile file,
      ReadLoadFile("testing/data/gptoss20b_domain_counts.npy"));
  EXPECT_EQ(file.format, FileFormat::kNpy);
  EXPECT_EQ(file.loads.num_steps(), 291);
  EXPECT_EQ(file.loads.num_layers(), 24);
  EXPECT_EQ(file.loads.num_logical_experts(), 32);
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads sums, file.loads.SumOverSteps());
  // Every token of the 291 rows chose four experts of each layer.
  EXPECT_EQ(sums.layer_total(22), 43008153);
}

TEST(LoadFileTest, BeginsErrorsWithTheName) {
  TemporaryFolder folder;
  const std::string name = folder.PathOf("loads.json");
  for (const char* content : {"[[1,-2]]", "layer_id,expert_id,count\n0,0,-1\n",
                              "{", "\x93NUMPY", R"({"window_expert_load":1})",
                              R"({"format":"eplb.placement/1"})", ""}) {
    folder.Write("loads.json", content);
    EXPECT_THAT(ReadLoadFile(name), StatusIs(kInvalid, StartsWith(name + ": ")))
        << content;
  }
  EXPECT_THAT(ReadLoadFile(folder.PathOf("none.npy")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.npy")));
}

TEST(LoadFileTest, TellsAPlacementFromLoads) {
  TemporaryFolder folder;
  EXPECT_THAT(
      ReadLoadFile(folder.Write("p.json", R"({"format":"eplb.placement/1"})")),
      StatusIs(kInvalid, HasSubstr("is a placement, not loads")));
}

TEST(LoadFileTest, PassesWarningsOn) {
  TemporaryFolder folder;
  EPLB_ASSERT_OK_AND_ASSIGN(
      const LoadFile file,
      ReadLoadFile(folder.Write("d.jsonl", std::string(kDumpLine) + "\n{")));
  EXPECT_THAT(file.warnings, ElementsAre(HasSubstr("line 2: left out")));
}

}  // namespace
}  // namespace eplb
