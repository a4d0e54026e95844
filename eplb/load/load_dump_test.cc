#include "eplb/load/load_dump.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/damaged_text.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// One layer of 3 experts in 4 slots on 2 ranks.
constexpr char kLine[] =
    R"({"model_name":"m","world_size":2,"num_moe_layers":1,)"
    R"("num_physical_experts":4,"num_logical_experts":3,)"
    R"("num_redundant_experts":1,"window_size":10,"step":20,)"
    R"("window_expert_load":[[5,6,7,8]],"latest_expert_load":[[0,1,0,1]],)"
    R"("physical_to_logical_map":[[2,0,1,2]],)"
    R"("format":"eplb.load_dump/1","balancedness":0.8})";

TEST(LoadDumpTest, CreditsSlotLoadsToTheExpertsOfTheMap) {
  EPLB_ASSERT_OK_AND_ASSIGN(const LoadDumpRecord record,
                            ParseLoadDumpLine(kLine));
  EXPECT_EQ(record.model_name, "m");
  EXPECT_EQ(record.world_size, 2);
  EXPECT_EQ(record.window_size, 10);
  EXPECT_EQ(record.step, 20);
  EXPECT_THAT(record.slot_loads, ElementsAre(5, 6, 7, 8));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> loads,
                            record.LogicalLoads());
  EXPECT_THAT(loads, ElementsAre(6, 7, 13));
}

TEST(LoadDumpTest, SaysWhatIsWrongAndWhere) {
  const struct {
    const char* from;
    const char* to;
    const char* error;
  } cases[] = {
      {R"("world_size":2,)", "", "no field 'world_size'"},
      {R"("world_size":2)", R"("world_size":3)",
       "world_size: 3 does not divide the 4 slots"},
      {R"("world_size":2)", R"("world_size":2,"world_size":2)",
       "'world_size' is there twice"},
      {R"("window_expert_load":[[5,6,7,8]],)", "",
       "no field 'window_expert_load'"},
      {"[[5,6,7,8]]", "[[5,6,7]]", "window_expert_load: 1 layers of 3 slots"},
      {"[[5,6,7,8]]", "[[5,6,7,-8]]",
       "window_expert_load: layer 0, slot 3: negative load -8"},
      {"[[2,0,1,2]]", "[[2,0,1,-1]]",
       "layer 0, slot 3: load 8 in a slot that holds no expert"},
      {"[[2,0,1,2]]", "[[2,0,1,3]]",
       "physical_to_logical_map: layer 0, slot 3: expert 3"},
      {R"("num_moe_layers":1)", R"("num_moe_layers":2)",
       "num_moe_layers: 2 where"},
      {R"("num_redundant_experts":1)", R"("num_redundant_experts":2)",
       "num_redundant_experts: 2 where the other fields make 1"},
      {R"("step":20)", R"("step":-20)", "step: negative value -20"},
      {R"("window_size":10)", R"("window_size":-1)", "window_size: negative"},
  };
  for (const auto& c : cases) {
    const std::string line = absl::StrReplaceAll(kLine, {{c.from, c.to}});
    ASSERT_NE(line, kLine);
    EXPECT_THAT(ParseLoadDumpLine(line), StatusIs(kInvalid, HasSubstr(c.error)))
        << line;
  }
}

class LoadDumpFileTest : public ::testing::Test {
 protected:
  // Reads a dump of this content; its warnings are in warnings_.
  absl::StatusOr<RecordedLoads> Read(const std::string& content) {
    const std::string name = folder_.Write("d.jsonl", content);
    absl::StatusOr<LoadDumpReader> reader = LoadDumpReader::Open(name);
    if (!reader.ok()) return reader.status();
    absl::StatusOr<RecordedLoads> loads = ReadDumpedLoads(*reader, "d.jsonl");
    warnings_ = reader->warnings();
    return loads;
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(LoadDumpFileTest, MakesEveryLineAStepWithTheMapOfItsTime) {
  const std::string later = absl::StrReplaceAll(
      kLine, {{"[[2,0,1,2]]", "[[0,1,2,-1,1,1]]"},
              {"[[5,6,7,8]]", "[[1,2,3,0,4,5]]"},
              {R"("num_physical_experts":4)", R"("num_physical_experts":6)"},
              {R"("num_redundant_experts":1)", R"("num_redundant_experts":3)"},
              {R"("world_size":2)", R"("world_size":3)"}});
  EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads,
                            Read(absl::StrCat(kLine, "\n", later, "\n")));
  EXPECT_EQ(loads.num_steps(), 2);
  EXPECT_THAT(loads.step(0), ElementsAre(6, 7, 13));
  EXPECT_THAT(loads.step(1), ElementsAre(1, 11, 3));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(LoadDumpFileTest, LeavesOutATornLastLineWithAWarning) {
  const std::string whole = absl::StrCat(kLine, "\n");
  for (size_t size = 1; size < sizeof(kLine) - 1; ++size) {
    EPLB_ASSERT_OK_AND_ASSIGN(
        const RecordedLoads loads,
        Read(absl::StrCat(whole, absl::string_view(kLine).substr(0, size))));
    EXPECT_EQ(loads.num_steps(), 1);
    ASSERT_EQ(warnings_.size(), 1u) << size;
    EXPECT_THAT(warnings_[0], HasSubstr("d.jsonl: line 2: left out"));
  }
}

TEST_F(LoadDumpFileTest, TakesAWholeLastLineWithoutItsBreak) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads,
                            Read(absl::StrCat(kLine, "\n", kLine)));
  EXPECT_EQ(loads.num_steps(), 2);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(LoadDumpFileTest, RefusesDamageElsewhere) {
  const std::string torn = std::string(kLine).substr(0, 50);
  EXPECT_THAT(Read(absl::StrCat(torn, "\n", kLine, "\n")),
              StatusIs(kInvalid, HasSubstr("d.jsonl: line 1: ")));
  EXPECT_THAT(Read(absl::StrCat(kLine, "\n", torn, "\n")),
              StatusIs(kInvalid, HasSubstr("d.jsonl: line 2: ")));
  EXPECT_THAT(Read(torn), StatusIs(kInvalid, HasSubstr("no complete record")));
  EXPECT_THAT(Read(""), StatusIs(kInvalid, HasSubstr("no complete record")));
  EXPECT_THAT(Read(absl::StrCat(kLine, "\nxyz")),
              StatusIs(kInvalid, HasSubstr("line 2: line 1, column 1")));
}

TEST_F(LoadDumpFileTest, RefusesLinesOfAnotherModel) {
  EXPECT_THAT(Read(absl::StrCat(
                  kLine, "\n",
                  absl::StrReplaceAll(kLine, {{R"("m")", R"("n")"}}), "\n")),
              StatusIs(kInvalid, HasSubstr("line 2: model_name: 'n' where")));
  EXPECT_THAT(
      Read(absl::StrCat(
          kLine, "\n",
          absl::StrReplaceAll(kLine, {{R"("num_logical_experts":3)",
                                       R"("num_logical_experts":2)"},
                                      {R"("num_redundant_experts":1,)", ""},
                                      {"[[2,0,1,2]]", "[[1,0,1,1]]"}}),
          "\n")),
      StatusIs(kInvalid, HasSubstr("line 2: 1 layers of 2 experts; the first "
                                   "has 1 of 3")));
}

TEST_F(LoadDumpFileTest, RefusesSumsBeyondTheLimit) {
  EXPECT_THAT(Read(absl::StrCat(
                  absl::StrReplaceAll(
                      kLine, {{"[[5,6,7,8]]", "[[9007199254740992,6,7,8]]"}}),
                  "\n")),
              StatusIs(kInvalid, HasSubstr("line 1: layer 0, expert 2: load "
                                           "9007199254741000 is more than")));
}

TEST(LoadDumpTest, AnswersEveryDamage) {
  ForEachDamage(kLine, [](absl::string_view damaged) {
    ParseLoadDumpLine(damaged).status().IgnoreError();
  });
}

}  // namespace
}  // namespace eplb
