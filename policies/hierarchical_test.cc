#include "policies/hierarchical.h"

#include <cstdint>
#include <fstream>
#include <numeric>
#include <vector>

#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "policies/greedy.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(HierarchicalTest, GivesTheExactVectors) {
  std::ifstream file("testing/data/vectors.json");
  const nlohmann::json vectors = nlohmann::json::parse(file);
  int compared = 0;
  for (const nlohmann::json& vector : vectors["cases"]) {
    if (!vector.contains("policy")) continue;
    SCOPED_TRACE(vector["name"]);
    ASSERT_EQ(vector["policy"], "hierarchical");
    const int num_layers = static_cast<int>(vector["loads"].size());
    const int num_experts = static_cast<int>(vector["loads"][0].size());
    std::vector<int64_t> values;
    for (const std::vector<int64_t> layer : vector["loads"]) {
      values.insert(values.end(), layer.begin(), layer.end());
    }
    const ExpertLoads loads =
        ExpertLoads::Create(num_layers, num_experts, values).value();
    const Topology topology =
        Topology::Uniform(vector["ranks"], vector["nodes"]).value();
    EPLB_ASSERT_OK_AND_ASSIGN(
        const PlacementResult result,
        HierarchicalPolicy().Place(
            {.shape = {.num_layers = num_layers,
                       .num_logical_experts = num_experts,
                       .num_redundant_experts =
                           vector["slots"].get<int>() - num_experts,
                       .num_expert_groups = vector["groups"]},
             .loads = &loads,
             .topology = &topology}));
    for (int layer = 0; layer < num_layers; ++layer) {
      const std::vector<int32_t> experts =
          vector["physical_to_logical_map"][layer];
      EXPECT_THAT(result.placement.experts_of_slots(layer),
                  ElementsAreArray(experts));
      const std::vector<int> counts = vector["logical_replica_count"][layer];
      for (int expert = 0; expert < num_experts; ++expert) {
        EXPECT_EQ(result.placement.num_replicas(layer, expert), counts[expert]);
      }
      ++compared;
    }
  }
  EXPECT_GE(compared, 2);
}

// Twelve experts in four groups of three, with loads that differ.
class HierarchicalFallbackTest : public ::testing::Test {
 protected:
  PlacementResult Place(const PlacementPolicy& policy, const Topology& topology,
                        int num_groups, int num_redundant = 4) {
    return policy
        .Place({.shape = {.num_layers = 1,
                          .num_logical_experts = 12,
                          .num_redundant_experts = num_redundant,
                          .num_expert_groups = num_groups},
                .loads = &loads_,
                .topology = &topology})
        .value();
  }

  const ExpertLoads loads_ =
      ExpertLoads::Create(1, 12,
                          {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86})
          .value();
};

TEST_F(HierarchicalFallbackTest, GroupsThatDoNotDivideByNodesPlanAsGreedy) {
  const Topology topology = Topology::Uniform(8, 8).value();
  EXPECT_EQ(Place(HierarchicalPolicy(), topology, 4).placement,
            Place(GreedyPolicy(), topology, 1).placement);
}

TEST_F(HierarchicalFallbackTest, UnevenNodesPlanAsOneNodeWithOneWarning) {
  const Topology uneven = Topology::Create({0, 0, 0, 1}).value();
  const PlacementResult result = Place(HierarchicalPolicy(), uneven, 4);
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("from 1 to 3")));
  EXPECT_EQ(
      result.placement,
      Place(HierarchicalPolicy(), Topology::Uniform(4).value(), 4).placement);
}

TEST_F(HierarchicalFallbackTest, UnevenNodesDoNotMatterToASingleGroup) {
  const Topology uneven = Topology::Create({0, 0, 0, 1}).value();
  const PlacementResult result = Place(HierarchicalPolicy(), uneven, 1);
  EXPECT_THAT(result.warnings, IsEmpty());
  EXPECT_EQ(result.placement, Place(GreedyPolicy(), uneven, 1).placement);
}

TEST_F(HierarchicalFallbackTest, ReplicasOfAGroupStayOnItsNode) {
  const Topology topology = Topology::Uniform(8, 2).value();
  const PlacementResult result = Place(HierarchicalPolicy(), topology, 4);
  EXPECT_THAT(result.warnings, IsEmpty());
  for (int group = 0; group < 4; ++group) {
    const int node = result.placement.slots_of_expert(0, group * 3)[0] / 8;
    for (int expert = group * 3; expert < group * 3 + 3; ++expert) {
      for (const int slot : result.placement.slots_of_expert(0, expert)) {
        EXPECT_EQ(slot / 8, node) << "expert " << expert;
      }
    }
  }
}

TEST_F(HierarchicalFallbackTest, InactiveNodeIsLeftOut) {
  // Three nodes of two ranks and eight slots; the middle one is gone.
  const Topology topology =
      Topology::Uniform(6, 3)->WithInactiveRanks({2, 3}).value();
  const PlacementResult result =
      Place(HierarchicalPolicy(), topology, 4, /*num_redundant=*/12);
  EXPECT_THAT(result.warnings, IsEmpty());
  EXPECT_THAT(result.placement.experts_of_slots(0).subspan(8, 8),
              ::testing::Each(Placement::kEmptySlot));
  const PlacementResult without =
      Place(HierarchicalPolicy(), Topology::Uniform(4, 2).value(), 4);
  EXPECT_EQ(result.placement.experts_of_slots(0).subspan(0, 8),
            without.placement.experts_of_slots(0).subspan(0, 8));
  EXPECT_EQ(result.placement.experts_of_slots(0).subspan(16, 8),
            without.placement.experts_of_slots(0).subspan(8, 8));
}

TEST(HierarchicalTest, LayerWithoutLoadSpreadsRedundancyEvenly) {
  const ExpertLoads loads =
      ExpertLoads::Create(1, 6, std::vector<int64_t>(6, 0)).value();
  const Topology topology = Topology::Uniform(4).value();
  EPLB_ASSERT_OK_AND_ASSIGN(
      const PlacementResult result,
      GreedyPolicy().Place({.shape = {.num_layers = 1,
                                      .num_logical_experts = 6,
                                      .num_redundant_experts = 10},
                            .loads = &loads,
                            .topology = &topology}));
  std::vector<int> counts(6);
  for (int expert = 0; expert < 6; ++expert) {
    counts[expert] = result.placement.num_replicas(0, expert);
  }
  EXPECT_THAT(counts, ElementsAre(3, 3, 3, 3, 2, 2));
}

}  // namespace
}  // namespace eplb
