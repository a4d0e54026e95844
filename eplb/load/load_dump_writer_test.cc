#include "eplb/load/load_dump_writer.h"

#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/placement.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/load_dump.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Placement TwoLayers() {
  return *Placement::Create(2, /*num_logical_experts=*/2, /*num_slots=*/4,
                            {0, 1, 1, 1, 1, 0, 0, -1});
}

LoadDumpEntry EntryOf(const Placement& placement,
                      const std::vector<int64_t>& window,
                      const std::vector<int64_t>& latest) {
  return {.world_size = 2,
          .window_size = 7,
          .step = 41,
          .balancedness = 0.5,
          .placement = &placement,
          .window_loads = window,
          .latest_slot_loads = latest};
}

TEST(LoadDumpWriterTest, GivesTheRemainderToTheLowerSlots) {
  EXPECT_THAT(DivideOverReplicas({9, 11, 5, 3}, TwoLayers()),
              ElementsAre(9, 4, 4, 3, 3, 3, 2, 0));
}

TEST(LoadDumpWriterTest, WritesTheFieldsThatOthersRead) {
  const TemporaryFolder folder;
  const Placement placement = TwoLayers();
  EPLB_ASSERT_OK_AND_ASSIGN(
      LoadDumpWriter writer,
      LoadDumpWriter::Open(folder.PathOf("made"), "org/model"));
  const std::vector<int64_t> window = {9, 11, 5, 3};
  const std::vector<int64_t> latest = {1, 2, 3, 4, 5, 6, 7, 0};
  EPLB_ASSERT_OK(writer.Append(EntryOf(placement, window, latest)));
  const auto line =
      nlohmann::json::parse(folder.Read("made/org_model_expert_load.jsonl"));
  EXPECT_EQ(line, nlohmann::json::parse(R"({
      "format": "eplb.load_dump/1", "model_name": "org/model",
      "world_size": 2, "num_moe_layers": 2, "num_physical_experts": 4,
      "num_logical_experts": 2, "num_redundant_experts": 2, "window_size": 7,
      "step": 41, "balancedness": 0.5,
      "window_expert_load": [[9, 4, 4, 3], [3, 3, 2, 0]],
      "latest_expert_load": [[1, 2, 3, 4], [5, 6, 7, 0]],
      "physical_to_logical_map": [[0, 1, 1, 1], [1, 0, 0, -1]]})"));
}

TEST(LoadDumpWriterTest, TellsOfRearrangementsAndTheReaderReadsThem) {
  const TemporaryFolder folder;
  const Placement placement = TwoLayers();
  const std::vector<int64_t> window = {9, 11, 5, 3};
  const std::vector<int64_t> latest(8, 1);
  const std::vector<DumpedRearrangement> told = {
      {.step = 7,
       .plan_seconds = 0.25,
       .stall_seconds = 0.5,
       .moved_slots = 3,
       .moved_bytes = 300},
      {.step = 9, .plan_seconds = 0.125, .moved_slots = 1, .moved_bytes = 100}};
  LoadDumpEntry entry = EntryOf(placement, window, latest);
  entry.rearrangements = told;
  EPLB_ASSERT_OK_AND_ASSIGN(LoadDumpWriter writer,
                            LoadDumpWriter::Open(folder.path(), "m"));
  EPLB_ASSERT_OK(writer.Append(entry));
  EXPECT_EQ(nlohmann::json::parse(
                folder.Read("m_expert_load.jsonl"))["rearrangements"],
            nlohmann::json::parse(R"([
      {"step": 7, "plan_seconds": 0.25, "stall_seconds": 0.5,
       "moved_slots": 3, "moved_bytes": 300},
      {"step": 9, "plan_seconds": 0.125, "moved_slots": 1,
       "moved_bytes": 100}])"));
  EPLB_ASSERT_OK_AND_ASSIGN(LoadDumpReader reader,
                            LoadDumpReader::Open(writer.path()));
  EPLB_ASSERT_OK_AND_ASSIGN(const std::optional<LoadDumpRecord> record,
                            reader.Next());
  ASSERT_TRUE(record.has_value());
  ASSERT_EQ(record->rearrangements.size(), 2u);
  EXPECT_EQ(record->rearrangements[0].step, 7);
  EXPECT_EQ(record->rearrangements[0].stall_seconds, 0.5);
  EXPECT_EQ(record->rearrangements[1].plan_seconds, 0.125);
  EXPECT_EQ(record->rearrangements[1].stall_seconds, std::nullopt);
  EXPECT_EQ(record->rearrangements[1].moved_slots, 1);
  EXPECT_EQ(record->rearrangements[1].moved_bytes, 100);
}

TEST(LoadDumpWriterTest, AppendsLinesThatTheReaderReads) {
  const TemporaryFolder folder;
  const Placement placement = TwoLayers();
  const std::vector<int64_t> window = {9, 11, 5, 3};
  const std::vector<int64_t> latest(8, 1);
  for (int run = 0; run < 2; ++run) {
    EPLB_ASSERT_OK_AND_ASSIGN(LoadDumpWriter writer,
                              LoadDumpWriter::Open(folder.path(), "m"));
    EPLB_ASSERT_OK(writer.Append(EntryOf(placement, window, latest)));
  }
  EPLB_ASSERT_OK_AND_ASSIGN(
      LoadDumpReader reader,
      LoadDumpReader::Open(folder.PathOf("m_expert_load.jsonl")));
  for (int run = 0; run < 2; ++run) {
    EPLB_ASSERT_OK_AND_ASSIGN(const std::optional<LoadDumpRecord> record,
                              reader.Next());
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->step, 41);
    EXPECT_EQ(record->placement, placement);
    EXPECT_THAT(record->LogicalLoads(), IsOkAndHolds(window));
  }
  EPLB_ASSERT_OK_AND_ASSIGN(const std::optional<LoadDumpRecord> end,
                            reader.Next());
  EXPECT_FALSE(end.has_value());
}

TEST(LoadDumpWriterTest, NamesAFolderThatCannotBe) {
  const TemporaryFolder folder;
  folder.Write("file", "");
  EXPECT_THAT(LoadDumpWriter::Open(folder.PathOf("file"), "m"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("file")));
}

TEST(LoadDumpWriterTest, ReportsAFullDisk) {
  const TemporaryFolder folder;
  const Placement placement = TwoLayers();
  const std::vector<int64_t> window(4, 1), latest(8, 1);
  ASSERT_EQ(symlink("/dev/full", folder.PathOf("m_expert_load.jsonl").c_str()),
            0);
  EPLB_ASSERT_OK_AND_ASSIGN(LoadDumpWriter writer,
                            LoadDumpWriter::Open(folder.path(), "m"));
  EXPECT_THAT(writer.Append(EntryOf(placement, window, latest)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("m_expert_load.jsonl")));
}

}  // namespace
}  // namespace eplb
