#include "policies/hierarchical_planner/hierarchical_layer_planner.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "policies/hierarchical_planner/hierarchical_reference.h"

namespace eplb {
namespace {

std::string ToString(const LayerGrid& grid) {
  return absl::StrCat(grid.num_experts, " experts, ", grid.num_groups,
                      " groups, ", grid.num_nodes, " nodes, ",
                      grid.ranks_per_node, " ranks per node, ",
                      grid.slots_per_rank, " slots per rank");
}

std::vector<int32_t> Plan(HierarchicalLayerPlanner planner,
                          const LayerGrid& grid,
                          const std::vector<int64_t>& loads) {
  std::vector<int32_t> plan(grid.num_slots());
  planner.PlanLayer(loads, {}, absl::MakeSpan(plan));
  return plan;
}

int Uniform(std::mt19937_64& random, int low, int high) {
  return low + static_cast<int>(random() % (high - low + 1));
}

LayerGrid RandomGrid(std::mt19937_64& random) {
  LayerGrid grid;
  const bool is_greedy = random() % 2 == 0;
  grid.num_nodes = is_greedy ? 1 : Uniform(random, 1, 4);
  grid.num_groups = is_greedy ? 1 : grid.num_nodes * Uniform(random, 1, 4);
  const int group_size = Uniform(random, 1, random() % 8 == 0 ? 200 : 40);
  grid.num_experts = grid.num_groups * group_size;
  const int experts_per_node = grid.num_experts / grid.num_nodes;
  // Some shapes of one rank, of one slot per rank and of many replicas.
  const int max_redundant =
      random() % 16 == 0 ? 2000
                         : (random() % 2 == 0 ? 8 : 2 * experts_per_node);
  const int num_slots = experts_per_node + Uniform(random, 0, max_redundant);
  switch (random() % 4) {
    case 0:
      grid.ranks_per_node = Uniform(random, 1, 3);
      break;
    case 1:
      grid.ranks_per_node = num_slots;
      break;
    default:
      grid.ranks_per_node = Uniform(random, 1, num_slots > 80 ? 80 : num_slots);
  }
  grid.slots_per_rank =
      (num_slots + grid.ranks_per_node - 1) / grid.ranks_per_node;
  return grid;
}

std::vector<int64_t> RandomLoads(std::mt19937_64& random, int num_experts) {
  constexpr int64_t kMaxLoad = int64_t{1} << 53;
  std::vector<int64_t> loads(num_experts);
  const int kind = Uniform(random, 0, 10);
  const int64_t hot = static_cast<int64_t>(random() % kMaxLoad);
  for (int64_t& load : loads) {
    switch (kind) {
      case 0:
        load = 0;
        break;
      case 1:
        load = hot;
        break;
      case 2:
        load = Uniform(random, 0, 3);
        break;
      case 3:
        load = Uniform(random, 0, 12);
        break;
      case 4:
        load = Uniform(random, 0, 1 << 20);
        break;
      case 5:
        load = static_cast<int64_t>(random() % (kMaxLoad + 1));
        break;
      case 6:
        load = kMaxLoad - Uniform(random, 0, 3);
        break;
      case 7:
        load = int64_t{1} << Uniform(random, 0, 53);
        break;
      case 8:
        load = random() % 10 == 0 ? Uniform(random, 1, 9) : 0;
        break;
      case 9:
        load = int64_t{5040} * Uniform(random, 1, 16);
        break;
      default:
        load = 1000000 / Uniform(random, 1, 1000);
    }
  }
  // One expert far above the rest takes most replicas.
  if (random() % 4 == 0) loads[random() % num_experts] = hot;
  return loads;
}

TEST(HierarchicalLayerPlannerTest, RandomLayersMatchTheReference) {
  constexpr uint64_t kSeeds = 600;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::mt19937_64 random(seed);
    const LayerGrid grid = RandomGrid(random);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", ToString(grid)));
    HierarchicalLayerPlanner portable(grid, /*use_avx512=*/false);
    HierarchicalLayerPlanner fastest(grid);
    // Two layers by one planner: nothing may be left over from the first.
    for (int layer = 0; layer < 2; ++layer) {
      const auto loads = RandomLoads(random, grid.num_experts);
      const auto expected = HierarchicalReference(grid, loads);
      std::vector<int32_t> plan(grid.num_slots());
      portable.PlanLayer(loads, {}, absl::MakeSpan(plan));
      ASSERT_EQ(plan, expected) << "portable";
      fastest.PlanLayer(loads, {}, absl::MakeSpan(plan));
      ASSERT_EQ(plan, expected) << "with AVX-512 where there is";
    }
  }
}

// (2047 * 2^31 + 2046) / 2047 and (2046 * 2^31 + 2045) / 2046 differ but are
// the same double; loads are below 2^42 and counts below 2^11.
TEST(HierarchicalLayerPlannerTest, NearTiesBelowDoublePrecisionAreExact) {
  const int64_t base = int64_t{1} << 31;
  const std::vector<int64_t> loads = {2046 * base + 2045, 2047 * base + 2046,
                                      1};
  for (int redundant = 4089; redundant <= 4096; ++redundant) {
    const LayerGrid grid = {.num_experts = 3, .slots_per_rank = 3 + redundant};
    EXPECT_EQ(Plan(HierarchicalLayerPlanner(grid), grid, loads),
              HierarchicalReference(grid, loads))
        << redundant;
  }
}

// The two loads by 16382 and 16383 replicas differ by 1 / (16382 * 16383),
// which is less than 2^-27. One slot per rank shows in which order they were
// given.
TEST(HierarchicalLayerPlannerTest, NearTiesOfVeryManyReplicasAreExact) {
  const std::vector<int64_t> loads = {9006649465368575, 9007199254738943, 1};
  const LayerGrid grid = {.num_experts = 3,
                          .ranks_per_node = 16382 + 16383 + 4};
  EXPECT_EQ(Plan(HierarchicalLayerPlanner(grid), grid, loads),
            HierarchicalReference(grid, loads));
}

TEST(HierarchicalLayerPlannerTest, LargestLayerMatchesTheReference) {
  std::mt19937_64 random(7);
  for (const int ranks : {64, 512}) {
    const LayerGrid grid = {.num_experts = 2048,
                            .ranks_per_node = ranks,
                            .slots_per_rank = 4096 / ranks};
    std::vector<int64_t> loads(grid.num_experts);
    for (int64_t& load : loads) load = random() % ((int64_t{1} << 53) + 1);
    EXPECT_EQ(Plan(HierarchicalLayerPlanner(grid), grid, loads),
              HierarchicalReference(grid, loads))
        << ranks;
  }
}

}  // namespace
}  // namespace eplb
