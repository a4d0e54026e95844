#include "eplb/core/placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kLargest = std::numeric_limits<int>::max();
constexpr int kSmallest = std::numeric_limits<int>::min();

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

// The arguments of Placement::Create.
struct Table {
  int num_layers;
  int num_experts;
  int num_slots;
  std::vector<int32_t> experts;

  auto Create() const {
    return Placement::Create(num_layers, num_experts, num_slots, experts);
  }
};

void Shuffle(absl::Span<int32_t> values, DeterministicRandom& random) {
  for (size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random.NextBelow(i)]);
  }
}

// Every expert somewhere, the other slots with any expert or none.
Table RandomTable(DeterministicRandom& random) {
  Table table{.num_layers = 1 + static_cast<int>(random.NextBelow(6)),
              .num_experts = 1 + static_cast<int>(random.NextBelow(30)),
              .num_slots = 0,
              .experts = {}};
  table.num_slots = table.num_experts + static_cast<int>(random.NextBelow(30));
  for (int layer = 0; layer < table.num_layers; ++layer) {
    const size_t begin = table.experts.size();
    for (int slot = 0; slot < table.num_slots; ++slot) {
      const bool is_redundant = slot >= table.num_experts;
      table.experts.push_back(
          is_redundant ? random.NextBelow(table.num_experts + 1) - 1 : slot);
    }
    Shuffle(absl::MakeSpan(table.experts).subspan(begin), random);
  }
  return table;
}

TEST(PlacementTest, KnowsTheExpertOfEachSlot) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Placement placement,
      Placement::Create(2, 3, 4, {2, 0, 1, 0, 1, 1, 0, 2}));
  EXPECT_EQ(placement.num_layers(), 2);
  EXPECT_EQ(placement.num_logical_experts(), 3);
  EXPECT_EQ(placement.num_slots(), 4);
  EXPECT_THAT(placement.experts_of_slots(0), ElementsAre(2, 0, 1, 0));
  EXPECT_EQ(placement.expert_of_slot(1, 3), 2);
  EXPECT_THAT(placement.physical_to_logical_map(),
              ElementsAre(2, 0, 1, 0, 1, 1, 0, 2));
}

TEST(PlacementTest, KnowsTheSlotsOfEachExpert) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Placement placement,
      Placement::Create(2, 3, 4, {2, 0, 1, 0, 1, 1, 0, 2}));
  EXPECT_THAT(placement.slots_of_expert(0, 0), ElementsAre(1, 3));
  EXPECT_THAT(placement.slots_of_expert(0, 2), ElementsAre(0));
  EXPECT_THAT(placement.slots_of_expert(1, 1), ElementsAre(0, 1));
  EXPECT_EQ(placement.num_replicas(0, 0), 2);
  EXPECT_EQ(placement.num_replicas(1, 2), 1);
}

TEST(PlacementTest, ASlotMayBeEmpty) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 2, 4, {-1, 1, -1, 0}));
  EXPECT_EQ(placement.expert_of_slot(0, 0), Placement::kEmptySlot);
  EXPECT_THAT(placement.slots_of_expert(0, 0), ElementsAre(3));
  EXPECT_THAT(placement.slots_of_expert(0, 1), ElementsAre(1));
}

TEST(PlacementTest, InitialPlacementRepeatsTheExpertsInOrder) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Initial({.num_layers = 2,
                                                .num_logical_experts = 3,
                                                .num_redundant_experts = 5}));
  for (int layer = 0; layer < 2; ++layer) {
    EXPECT_THAT(placement.experts_of_slots(layer),
                ElementsAre(0, 1, 2, 0, 1, 2, 0, 1));
  }
}

TEST(PlacementTest, InitialPlacementWithoutRedundancyIsTheIdentity) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Placement placement,
      Placement::Initial({.num_layers = 1, .num_logical_experts = 4}));
  EXPECT_THAT(placement.experts_of_slots(0), ElementsAre(0, 1, 2, 3));
}

TEST(PlacementTest, InitialPlacementRefusesAnInvalidShape) {
  EXPECT_THAT(Placement::Initial({.num_layers = 1}),
              Refuses("num_logical_experts is 0; it must be at least 1"));
  EXPECT_THAT(Placement::Initial({.num_layers = 1,
                                  .num_logical_experts = kLargest,
                                  .num_redundant_experts = kLargest}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PlacementTest, RefusesAnExpertOutOfRange) {
  EXPECT_THAT(Placement::Create(2, 2, 3, {0, 1, 0, 1, 0, 2}),
              Refuses("layer 1, slot 2: expert 2 is neither -1 nor in [0, 2)"));
  EXPECT_THAT(
      Placement::Create(1, 2, 3, {0, -2, 1}),
      Refuses("layer 0, slot 1: expert -2 is neither -1 nor in [0, 2)"));
  EXPECT_THAT(Placement::Create(1, 2, 3, {kSmallest, 0, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("slot 0: expert -2147483648")));
}

TEST(PlacementTest, RefusesAnExpertWithoutASlot) {
  EXPECT_THAT(Placement::Create(2, 3, 3, {0, 1, 2, 2, 0, 0}),
              Refuses("layer 1: expert 1 has no slot"));
  EXPECT_THAT(Placement::Create(1, 2, 3, {-1, -1, 0}),
              Refuses("layer 0: expert 1 has no slot"));
}

TEST(PlacementTest, RefusesFewerSlotsThanExperts) {
  EXPECT_THAT(Placement::Create(1, 3, 2, {0, 1}),
              Refuses("2 slots cannot hold 3 logical experts"));
  EXPECT_THAT(Placement::Create(1, 3, 0, {}),
              Refuses("0 slots cannot hold 3 logical experts"));
}

TEST(PlacementTest, RefusesAWrongNumberOfEntries) {
  EXPECT_THAT(Placement::Create(2, 2, 3, {0, 1, 0, 1}),
              Refuses("physical_to_logical_map has 4 entries; 2 layers of 3 "
                      "slots need 6"));
  EXPECT_THAT(Placement::Create(1, 1, 1, {0, 0}),
              Refuses("physical_to_logical_map has 2 entries; 1 layers of 1 "
                      "slots need 1"));
}

TEST(PlacementTest, RefusesSizesBelowOne) {
  EXPECT_THAT(Placement::Create(0, 1, 1, {}),
              Refuses("num_layers is 0; it must be at least 1"));
  EXPECT_THAT(Placement::Create(1, -3, 1, {0}),
              Refuses("num_logical_experts is -3; it must be at least 1"));
}

TEST(PlacementTest, HugeAndNegativeSizesDoNotOverflow) {
  // The difference of slots and experts is beyond an int.
  EXPECT_THAT(Placement::Create(1, 8, kSmallest, {}),
              Refuses("-2147483648 slots cannot hold 8 logical experts"));
  EXPECT_THAT(Placement::Create(1, kSmallest, kLargest, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_logical_experts is -2147483648")));
  EXPECT_THAT(Placement::Create(1, 1, kLargest, {0}),
              Refuses("num_layers 1 times 2147483647 physical experts is more "
                      "than 1073741824"));
  EXPECT_THAT(Placement::Create(kLargest, 1, 2, {0, 0}),
              Refuses("num_layers 2147483647 times 2 physical experts is more "
                      "than 1073741824"));
  // The product is 0 modulo 2^32.
  EXPECT_THAT(Placement::Create(1 << 16, 1, 1 << 16, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PlacementTest, PaddedLogicalMapFillsUpWithMinusOne) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(2, 2, 3, {1, 0, 1, -1, 0, 1}));
  EXPECT_THAT(placement.PaddedLogicalMap(2),
              IsOkAndHolds(ElementsAre(1, -1, 0, 2, 1, -1, 2, -1)));
  EXPECT_THAT(
      placement.PaddedLogicalMap(3),
      IsOkAndHolds(ElementsAre(1, -1, -1, 0, 2, -1, 1, -1, -1, 2, -1, -1)));
}

TEST(PlacementTest, PaddedLogicalMapRefusesAWidthThatIsTooSmall) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(2, 2, 3, {1, 0, -1, 1, 0, 1}));
  EXPECT_THAT(placement.PaddedLogicalMap(1),
              Refuses("layer 1, expert 1: 2 replicas do not fit into width 1"));
  EXPECT_THAT(placement.PaddedLogicalMap(0),
              Refuses("layer 0, expert 0: 1 replicas do not fit into width 0"));
  EXPECT_THAT(placement.PaddedLogicalMap(kSmallest),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("do not fit into width -2147483648")));
}

TEST(PlacementTest, PaddedLogicalMapIsCappedAtTheLargestTable) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(2, 2, 2, {1, 0, 0, 1}));
  EXPECT_THAT(placement.PaddedLogicalMap(kLargest),
              Refuses("width 2147483647 for 2 layers of 2 logical experts is "
                      "more than 1073741824 entries"));
}

TEST(PlacementTest, HashHasTheSameBitsEverywhere) {
  EXPECT_EQ(Placement::Create(1, 1, 1, {0})->Hash(), 0xc202f34b81a135a4u);
  EXPECT_EQ(Placement::Create(1, 3, 4, {2, 0, 1, 0})->Hash(),
            0x73fce6d6a1c49aacu);
  EXPECT_EQ(Placement::Create(2, 2, 3, {1, 0, -1, 1, 0, 1})->Hash(),
            0x3fa0701cd160c5f9u);
  EXPECT_EQ(Placement::Initial({.num_layers = 58,
                                .num_logical_experts = 256,
                                .num_redundant_experts = 32})
                ->Hash(),
            0xdd7d7e319ec73c9u);
}

TEST(PlacementTest, HashTellsPlacementsApart) {
  const uint64_t hash = Placement::Create(2, 2, 3, {0, 1, 0, 0, 1, 0})->Hash();
  EXPECT_NE(hash, Placement::Create(2, 2, 3, {0, 1, 0, 0, 1, 1})->Hash());
  EXPECT_NE(hash, Placement::Create(2, 2, 3, {0, 1, 0, 0, 1, -1})->Hash());
  EXPECT_NE(hash, Placement::Create(3, 2, 2, {0, 1, 0, 1, 0, 1})->Hash());
  EXPECT_NE(hash, Placement::Create(1, 2, 6, {0, 1, 0, 0, 1, 0})->Hash());
}

TEST(PlacementTest, AnyPlacementBuiltAndInvertedIsItself) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const Table table = RandomTable(random);
    EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement, table.Create());

    std::vector<int32_t> rebuilt(table.experts.size(), Placement::kEmptySlot);
    int widest = 0;
    for (int layer = 0; layer < table.num_layers; ++layer) {
      for (int expert = 0; expert < table.num_experts; ++expert) {
        const absl::Span<const int32_t> slots =
            placement.slots_of_expert(layer, expert);
        EXPECT_FALSE(slots.empty());
        EXPECT_TRUE(std::is_sorted(slots.begin(), slots.end()));
        EXPECT_EQ(placement.num_replicas(layer, expert), slots.size());
        widest = std::max(widest, placement.num_replicas(layer, expert));
        for (const int32_t slot : slots) {
          EXPECT_EQ(placement.expert_of_slot(layer, slot), expert);
          rebuilt[layer * table.num_slots + slot] = expert;
        }
      }
    }
    EXPECT_EQ(rebuilt, table.experts);
    EXPECT_THAT(placement.PaddedLogicalMap(widest), IsOk());
    EXPECT_THAT(placement.PaddedLogicalMap(widest - 1),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(PlacementTest, EqualPlacementsHaveEqualHashes) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    Table table = RandomTable(random);
    EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement, table.Create());
    EPLB_ASSERT_OK_AND_ASSIGN(const Placement same, table.Create());
    EXPECT_EQ(placement, same);
    EXPECT_EQ(placement.Hash(), same.Hash());

    const int32_t before = table.experts[0];
    Shuffle(absl::MakeSpan(table.experts).subspan(0, table.num_slots), random);
    EPLB_ASSERT_OK_AND_ASSIGN(const Placement shuffled, table.Create());
    EXPECT_EQ(placement == shuffled, placement.Hash() == shuffled.Hash())
        << before;
  }
}

TEST(PlacementTest, AnyExpertOutOfRangeIsRefusedWithItsPlace) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    Table table = RandomTable(random);
    const int64_t bad = random.NextBelow(table.experts.size());
    const auto distance = static_cast<int32_t>(
        random.NextBelow(int64_t{1} << random.NextBelow(31)));
    table.experts[bad] = random.NextBelow(2) == 0
                             ? -2 - distance
                             : table.num_experts + distance / 2;
    EXPECT_THAT(table.Create(),
                Refuses(absl::StrCat(
                    "layer ", bad / table.num_slots, ", slot ",
                    bad % table.num_slots, ": expert ", table.experts[bad],
                    " is neither -1 nor in [0, ", table.num_experts, ")")));
  }
}

TEST(PlacementTest, AnyLostExpertIsRefusedByName) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    Table table = RandomTable(random);
    const auto layer = static_cast<int>(random.NextBelow(table.num_layers));
    const auto lost = static_cast<int32_t>(random.NextBelow(table.num_experts));
    const absl::Span<int32_t> experts =
        absl::MakeSpan(table.experts)
            .subspan(layer * table.num_slots, table.num_slots);
    std::replace(experts.begin(), experts.end(), lost, Placement::kEmptySlot);
    EXPECT_THAT(table.Create(),
                Refuses(absl::StrCat("layer ", layer, ": expert ", lost,
                                     " has no slot")));
  }
}

// All numbers of a table of two or more dimensions, row-major.
std::vector<int32_t> Flatten(const nlohmann::json& table) {
  if (table.is_number()) return {table.get<int32_t>()};
  std::vector<int32_t> values;
  for (const nlohmann::json& row : table) {
    const std::vector<int32_t> of_row = Flatten(row);
    values.insert(values.end(), of_row.begin(), of_row.end());
  }
  return values;
}

// The exact examples that every implementation of these tables agrees on.
TEST(PlacementTest, MatchesTheExamplesOfInverseMaps) {
  std::ifstream file("testing/data/vectors.json");
  const nlohmann::json examples = nlohmann::json::parse(file);
  int checked = 0;
  for (const nlohmann::json& example : examples["cases"]) {
    if (example.value("check", "") != "inverse_map") continue;
    SCOPED_TRACE(example["name"].get<std::string>());
    ++checked;
    const nlohmann::json& experts = example["physical_to_logical_map"];
    EPLB_ASSERT_OK_AND_ASSIGN(
        const Placement placement,
        Placement::Create(experts.size(), example["num_logical_experts"],
                          experts[0].size(), Flatten(experts)));
    for (size_t layer = 0; layer < experts.size(); ++layer) {
      std::vector<int32_t> counts;
      const nlohmann::json& rows = example["logical_to_physical_map"][layer];
      for (size_t expert = 0; expert < rows.size(); ++expert) {
        const absl::Span<const int32_t> slots =
            placement.slots_of_expert(layer, expert);
        std::vector<int32_t> row(slots.begin(), slots.end());
        counts.push_back(row.size());
        row.resize(rows[expert].size(), -1);
        EXPECT_EQ(row, rows[expert].get<std::vector<int32_t>>());
      }
      EXPECT_EQ(
          counts,
          example["logical_replica_count"][layer].get<std::vector<int32_t>>());
    }
    EXPECT_THAT(placement.PaddedLogicalMap(
                    example["logical_to_physical_map"][0][0].size()),
                IsOkAndHolds(Flatten(example["logical_to_physical_map"])));
  }
  EXPECT_EQ(checked, 2);
}

}  // namespace
}  // namespace eplb
