#include "tools/report/dump_report.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// One layer of three experts on two ranks of two slots.
std::string Line(int step, const std::string& loads, const std::string& map,
                 const std::string& more = R"("model_name":"m")") {
  return absl::StrCat(R"({"world_size":2,"num_logical_experts":3,"step":)",
                      step, R"(,"window_expert_load":[[)", loads,
                      R"(]],"physical_to_logical_map":[[)", map, "]],", more,
                      "}\n");
}

class DumpReportTest : public ::testing::Test {
 protected:
  absl::StatusOr<DumpReport> Read(const std::string& content) {
    return ReadDumpReport(folder_.Write("m.jsonl", content));
  }

  TemporaryFolder folder_;
};

TEST_F(DumpReportTest, ComparesBeforeTheFirstAndAfterTheLastRearrangement) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(10, "5,3,0,0", "0,1,2,0") + Line(20, "3,3,2,0", "0,1,2,0") +
           Line(30, "4,0,0,4", "0,1,2,0") + Line(40, "4,1,1,2", "0,2,1,0") +
           Line(50, "1,1,3,3", "0,0,1,2")));
  const Report& report = dump.report;
  EXPECT_EQ(report.title, "Expert load of m");
  ASSERT_THAT(report.points, SizeIs(5));
  EXPECT_EQ(report.points[0].step, 10);
  EXPECT_EQ(report.points[0].balancedness, 0.5);
  EXPECT_DOUBLE_EQ(report.points[1].balancedness, 4.0 / 6);
  ASSERT_THAT(report.rearrangements, SizeIs(2));
  EXPECT_EQ(report.rearrangements[0].step, 40);
  // Experts 1 and 2 changed places.
  EXPECT_EQ(report.rearrangements[0].moved_slots, 2);
  EXPECT_EQ(report.rearrangements[1].step, 50);
  EXPECT_DOUBLE_EQ(*report.balancedness_before, (0.5 + 4.0 / 6 + 1) / 3);
  EXPECT_DOUBLE_EQ(*report.balancedness_after, 4.0 / 6);
  // Of the first three lines: 18 and 6.
  EXPECT_THAT(report.ranks_before->cells, ElementsAre(1.5, 0.5));
  EXPECT_THAT(report.ranks_after->cells, ElementsAre(0.5, 1.5));
  // 26 of 40 tokens: 5 + 3 + 8 + 6 + 2 are expert 0's.
  ASSERT_THAT(report.hottest, SizeIs(3));
  EXPECT_EQ(report.hottest[0].expert, 0);
  EXPECT_DOUBLE_EQ(report.hottest[0].load_over_mean, 24 * 3.0 / 40);
  EXPECT_THAT(report.hottest[0].ranks, ElementsAre(0, 0));
}

TEST_F(DumpReportTest, HasOneMapWhenNothingWasRearranged) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(1, "5,3,0,0", "0,1,2,0") + Line(2, "0,0,0,0", "0,1,2,0")));
  EXPECT_TRUE(dump.report.rearrangements.empty());
  EXPECT_FALSE(dump.report.ranks_before.has_value());
  EXPECT_FALSE(dump.report.balancedness_before.has_value());
  EXPECT_EQ(dump.report.balancedness_after, 0.5);
  EXPECT_THAT(dump.report.ranks_after->cells, ElementsAre(2, 0));
}

TEST_F(DumpReportTest, CountsLinesWhereStepsDoNotRise) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(7, "1,1,1,1", "0,1,2,0") + Line(7, "1,1,1,1", "1,0,2,0")));
  EXPECT_EQ(dump.report.step_name, "line");
  EXPECT_EQ(dump.report.points[1].step, 1);
  EXPECT_EQ(dump.report.rearrangements[0].step, 1);
}

// What a line tells of rearrangements, after its model.
std::string Told(const std::string& rearrangements) {
  return absl::StrCat(R"("model_name":"m","rearrangements":[)", rearrangements,
                      "]");
}

TEST_F(DumpReportTest, ShowsTheTimesThatTheDumpTellsOf) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(10, "1,1,1,1", "0,1,2,0") +
           Line(20, "1,1,1,1", "1,0,2,0",
                Told(R"({"step":10,"plan_seconds":0.25,"stall_seconds":0.5,)"
                     R"("moved_slots":5,"moved_bytes":50})")) +
           Line(30, "1,1,1,1", "1,0,2,0",
                Told(R"({"step":25,"plan_seconds":0.5,"stall_seconds":2,)"
                     R"("moved_slots":1,"moved_bytes":10},)"
                     R"({"step":29,"plan_seconds":0.25,"stall_seconds":1,)"
                     R"("moved_slots":2,"moved_bytes":20})")) +
           Line(40, "1,1,1,1", "0,1,2,0")));
  const Report& report = dump.report;
  ASSERT_THAT(report.rearrangements, SizeIs(2));
  EXPECT_EQ(report.rearrangements[0].step, 20);
  EXPECT_EQ(report.rearrangements[0].plan_seconds, 0.25);
  EXPECT_EQ(report.rearrangements[0].stall_seconds, 0.5);
  EXPECT_EQ(report.rearrangements[0].moved_slots, 5);
  EXPECT_EQ(report.rearrangements[0].moved_bytes, 50);
  // Two between two lines.
  EXPECT_EQ(report.rearrangements[1].step, 40);
  EXPECT_EQ(report.rearrangements[1].plan_seconds, 0.75);
  EXPECT_EQ(report.rearrangements[1].stall_seconds, 3);
  EXPECT_EQ(report.rearrangements[1].moved_slots, 3);
  EXPECT_EQ(report.longest_stall_seconds, 2);
  EXPECT_EQ(report.total_stall_seconds, 3.5);
}

TEST_F(DumpReportTest, LayersThatSwitchOneByOneAreOneRearrangement) {
  const std::string told =
      Told(R"({"step":10,"plan_seconds":0.25,"moved_slots":5,)"
           R"("moved_bytes":50})");
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(10, "1,1,1,1", "0,1,2,0") + Line(11, "1,1,1,1", "1,0,2,0") +
           Line(12, "1,1,1,1", "1,2,0,0") +
           Line(13, "1,1,1,1", "1,2,0,0", told) +
           Line(14, "1,1,1,1", "2,1,0,0")));
  ASSERT_THAT(dump.report.rearrangements, SizeIs(1));
  EXPECT_EQ(dump.report.rearrangements[0].step, 11);
  EXPECT_EQ(dump.report.rearrangements[0].moved_slots, 5);
  // Nobody waited.
  EXPECT_EQ(dump.report.rearrangements[0].stall_seconds, std::nullopt);
  EXPECT_EQ(dump.report.total_stall_seconds, std::nullopt);
}

TEST_F(DumpReportTest, RefusesTimesThatCannotBe) {
  EXPECT_THAT(
      Read(Line(1, "1,1,1,1", "0,1,2,0",
                Told(R"({"step":1,"plan_seconds":-1})")))
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("line 1: rearrangements: 0: plan_seconds: -1 is not a "
                         "number in [0, 2^53]")));
}

TEST_F(DumpReportTest, AGroupThatChangesItsSizeMovesAnUnknownNumberOfSlots) {
  const std::string grown =
      R"({"world_size":3,"num_logical_experts":3,"step":9,)"
      R"("model_name":"m","window_expert_load":[[3,1,1,1,1,2]],)"
      R"("physical_to_logical_map":[[0,1,2,0,1,2]]})";
  EPLB_ASSERT_OK_AND_ASSIGN(const DumpReport dump,
                            Read(Line(1, "1,1,1,1", "0,1,2,0") + grown + "\n"));
  ASSERT_THAT(dump.report.rearrangements, SizeIs(1));
  EXPECT_EQ(dump.report.rearrangements[0].moved_slots, std::nullopt);
  EXPECT_EQ(dump.report.ranks_before->num_ranks, 2);
  EXPECT_EQ(dump.report.ranks_after->num_ranks, 3);
}

TEST_F(DumpReportTest, LeavesALineOutThatItsWriterDidNotFinish) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DumpReport dump,
      Read(Line(1, "1,1,1,1", "0,1,2,0") + R"({"world_size":2,)"));
  EXPECT_THAT(dump.warnings, ElementsAre(HasSubstr("line 2: left out")));
  EXPECT_THAT(dump.report.points, SizeIs(1));
}

TEST_F(DumpReportTest, RefusesWhatIsNotOneModel) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const std::string first = Line(1, "1,1,1,1", "0,1,2,0");
  EXPECT_THAT(
      Read(first + Line(2, "1,1,1,1", "0,1,2,0", R"("model_name":"n")"))
          .status(),
      StatusIs(kInvalid,
               HasSubstr("m.jsonl: line 2: model_name: 'n' where the first is "
                         "'m'")));
  const std::string smaller =
      R"({"world_size":2,"num_logical_experts":2,"model_name":"m",)"
      R"("window_expert_load":[[1,1]],"physical_to_logical_map":[[0,1]]})";
  EXPECT_THAT(Read(first + smaller + "\n").status(),
              StatusIs(kInvalid, HasSubstr("line 2: 1 layers of 2 experts; the "
                                           "first has 1 of 3")));
  EXPECT_THAT(Read("").status(),
              StatusIs(kInvalid, HasSubstr("m.jsonl: holds no complete")));
  EXPECT_THAT(ReadDumpReport(folder_.PathOf("none")).status(),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace eplb
