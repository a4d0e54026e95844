#include "eplb/load/placement_file.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/placement_score.h"
#include "testing/damaged_text.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Two layers of 3 experts in 4 slots on 2 ranks.
constexpr char kText[] =
    R"({"format":"eplb.placement/1","policy":"greedy","num_layers":2,)"
    R"("num_logical_experts":3,"num_physical_experts":4,"num_ranks":2,)"
    R"("num_nodes":1,"num_groups":3,)"
    R"("physical_to_logical_map":[[0,1,2,0],[2,1,0,-1]],)"
    R"("logical_replica_count":[[2,1,1],[1,1,1]],)"
    R"("layers":[{"balancedness":0.75,"bound":1,"moved_slots":4,)"
    R"("duplicate_slots":1},{"balancedness":0.5,"bound":0.9,"moved_slots":0,)"
    R"("duplicate_slots":0}],"balancedness":0.625,"worst_balancedness":0.5,)"
    R"("moved_slots":4,"plan_seconds":0.25})";

TEST(PlacementFileTest, WritesTheContractsFieldsInItsOrder) {
  EPLB_ASSERT_OK_AND_ASSIGN(PlacementFile file, ParsePlacement(kText));
  EXPECT_EQ(file.policy, "greedy");
  EXPECT_EQ(file.num_ranks, 2);
  EXPECT_EQ(file.num_groups, 3);
  EXPECT_EQ(file.placement.expert_of_slot(1, 0), 2);
  ASSERT_EQ(file.layers.size(), 2u);
  EXPECT_EQ(file.layers[1].bound, 0.9);
  file.plan_seconds = 0.25;
  EXPECT_EQ(FormatPlacement(file), kText);
}

TEST(PlacementFileTest, ReadsAPlacementWithoutScores) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const PlacementFile file,
      ParsePlacement(R"({"format": "eplb.placement/1", "num_ranks": 1,
                         "num_logical_experts": 1, "note": [{"by": "hand"}],
                         "physical_to_logical_map": [[0, 0]]})"));
  EXPECT_EQ(file.num_nodes, 1);
  EXPECT_TRUE(file.layers.empty());
  EXPECT_THAT(FormatPlacement(file), testing::Not(HasSubstr("plan_seconds")));
}

TEST(PlacementFileTest, AnyPlacementWrittenAndReadIsItself) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const int layers = 1 + random.NextBelow(4);
    const int experts = 1 + random.NextBelow(9);
    const int ranks = 1 + random.NextBelow(4);
    const int slots = ranks * (experts + random.NextBelow(3));
    std::vector<int32_t> map;
    std::vector<LayerScore> scores;
    for (int i = 0; i < layers * slots; ++i) {
      map.push_back(i % slots < experts ? i % slots
                                        : random.NextBelow(experts + 1) - 1);
    }
    for (int i = 0; i < layers; ++i) {
      scores.push_back(
          {.balancedness = random.NextUniform(),
           .bound = random.NextUniform(),
           .moved_slots = static_cast<int>(random.NextBelow(slots)),
           .duplicate_slots = 0});
    }
    EPLB_ASSERT_OK_AND_ASSIGN(
        Placement placement,
        Placement::Create(layers, experts, slots, std::move(map)));
    const PlacementFile file{.policy = "mine",
                             .num_ranks = ranks,
                             .num_nodes = ranks,
                             .num_groups = experts,
                             .placement = std::move(placement),
                             .layers = std::move(scores)};
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementFile read,
                              ParsePlacement(FormatPlacement(file)));
    EXPECT_EQ(read.placement, file.placement);
    EXPECT_EQ(FormatPlacement(read), FormatPlacement(file));
  }
}

TEST(PlacementFileTest, SaysWhatIsWrongAndWhere) {
  const struct {
    const char* from;
    const char* to;
    const char* error;
  } cases[] = {
      {R"("format":"eplb.placement/1",)", "", "no field 'format'"},
      {"eplb.placement/1", "eplb.placement/2",
       "format: 'eplb.placement/2' is not 'eplb.placement/1'"},
      {R"("format":"eplb.placement/1")", R"("format":1)",
       "format: must be a string"},
      {R"("num_ranks":2,)", "", "no field 'num_ranks'"},
      {R"("num_ranks":2)", R"("num_ranks":3)",
       "num_ranks: 3 does not divide the 4 slots"},
      {R"("num_ranks":2)", R"("num_ranks":0)", "num_ranks: 0"},
      {R"("num_ranks":2)", R"("num_ranks":2.5)", "2.5 is not an integer"},
      {R"("num_ranks":2)", R"("num_ranks":2,"num_ranks":2)",
       "'num_ranks' is there twice"},
      {R"("num_nodes":1)", R"("num_nodes":3)",
       "num_nodes: 3 does not divide the 2 ranks"},
      {R"("num_groups":3)", R"("num_groups":2)",
       "num_groups: 2 does not divide the 3 logical experts"},
      {R"("num_layers":2)", R"("num_layers":3)", "num_layers: 3 where"},
      {"[2,1,0,-1]", "[2,1,0]", "layer 1: 3 slots, but 4"},
      {"[2,1,0,-1]", "[2,1,0,3]", "layer 1, slot 3: expert 3 is neither"},
      {"[2,1,0,-1]", "[2,1,0,-2]", "layer 1, slot 3: expert -2 is neither"},
      {"[2,1,0,-1]", "[2,1,1,-1]", "layer 1: expert 0 has no slot"},
      {"[2,1,0,-1]", "[2,1,0,0.5]", "layer 1, slot 3: 0.5 is not an integer"},
      {"[2,1,0,-1]", "[2,1,0,4294967296]", "4294967296 is not in"},
      {"[[2,1,1],[1,1,1]]", "[[2,1,1],[1,1,2]]",
       "logical_replica_count: layer 1, expert 2: 2 where "
       "physical_to_logical_map has 1"},
      {"[[2,1,1],[1,1,1]]", "[[2,1,1]]", "logical_replica_count: 1 layers"},
      {R"("moved_slots":0,)", R"("moved_slots":5,)",
       "layers: layer 1: moved_slots 5 is not in [0, 4]"},
      {R"("bound":0.9,)", "", "layers: layer 1: bound is missing"},
      {R"("balancedness":0.75)", R"("balancedness":1.75)",
       "layers: layer 0: balancedness 1.75 is not in [0, 1]"},
      {R"(0.25})", "0.25", "ends too early"},
  };
  for (const auto& c : cases) {
    const std::string text = absl::StrReplaceAll(kText, {{c.from, c.to}});
    ASSERT_NE(text, kText);
    EXPECT_THAT(ParsePlacement(text), StatusIs(kInvalid, HasSubstr(c.error)))
        << text;
  }
}

TEST(PlacementFileTest, WritesAFileThatReadsBack) {
  TemporaryFolder folder;
  const std::string name = folder.PathOf("plan.json");
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementFile file, ParsePlacement(kText));
  ASSERT_THAT(WritePlacementFile(name, file), IsOk());
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementFile read, ReadPlacementFile(name));
  EXPECT_EQ(FormatPlacement(read), FormatPlacement(file));
}

TEST(PlacementFileTest, NamesTheFile) {
  TemporaryFolder folder;
  EXPECT_THAT(ReadPlacementFile(folder.Write("plan.json", "{}")),
              StatusIs(kInvalid, HasSubstr("plan.json: there is no field")));
  EXPECT_THAT(ReadPlacementFile(folder.PathOf("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none: cannot")));
}

TEST(PlacementFileTest, AnswersEveryDamage) {
  ForEachDamage(kText, [](absl::string_view damaged) {
    ParsePlacement(damaged).status().IgnoreError();
  });
}

}  // namespace
}  // namespace eplb
