#include "policies/placement_score.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

LayerScore Score(const std::vector<int64_t>& loads,
                 const std::vector<int32_t>& slots, int num_ranks,
                 const std::vector<int>& inactive = {},
                 const Placement* current = nullptr) {
  const int num_experts = static_cast<int>(loads.size());
  const Topology topology =
      Topology::Uniform(num_ranks)->WithInactiveRanks(inactive).value();
  return ScorePlacement(ExpertLoads::Create(1, num_experts, loads).value(),
                        topology,
                        Placement::Create(1, num_experts,
                                          static_cast<int>(slots.size()), slots)
                            .value(),
                        current)
      .front();
}

TEST(PlacementScoreTest, BalancednessIsMeanOverMaxRankLoad) {
  // Ranks carry 30 and 10.
  EXPECT_DOUBLE_EQ(Score({20, 10, 6, 4}, {0, 1, 2, 3}, 2).balancedness,
                   20.0 / 30.0);
}

TEST(PlacementScoreTest, ReplicasShareTheirExpertsLoad) {
  // Ranks carry 10 + 10 and 10 + 5.
  EXPECT_DOUBLE_EQ(Score({20, 10, 5}, {0, 1, 0, 2}, 2).balancedness,
                   17.5 / 20.0);
}

TEST(PlacementScoreTest, LayerWithoutLoadIsBalanced) {
  const LayerScore score = Score({0, 0}, {0, 1}, 2);
  EXPECT_EQ(score.balancedness, 1);
  EXPECT_EQ(score.bound, 1);
}

TEST(PlacementScoreTest, InactiveRanksDoNotCount) {
  EXPECT_EQ(Score({5, 5}, {0, -1, 1}, 3, {1}).balancedness, 1);
}

TEST(PlacementScoreTest, CountsDuplicatesOnARank) {
  EXPECT_EQ(Score({9, 1, 1}, {0, 0, 0, 1, 2, 1}, 2).duplicate_slots, 3);
  EXPECT_EQ(Score({9, 1, 1}, {0, 1, 2, 0, 1, 2}, 2).duplicate_slots, 0);
}

TEST(PlacementScoreTest, CountsMovesFromTheCurrentPlacement) {
  const Placement current = Placement::Create(1, 3, 4, {0, 1, 2, 0}).value();
  EXPECT_EQ(Score({1, 1, 1}, {2, 1, 0, 0}, 2, {}, &current).moved_slots, 1);
  EXPECT_EQ(Score({1, 1, 1}, {2, 1, 0, 0}, 2).moved_slots, 0);
}

// The bound by its definition: the smallest cap that lets every expert's
// replicas fit into the slots, among all loads over all counts.
double BoundByDefinition(const std::vector<int64_t>& loads, int num_slots,
                         int num_ranks) {
  double total = 0;
  double best = 0;
  for (const int64_t load : loads) {
    total += static_cast<double>(load);
    best = std::max(best, static_cast<double>(load));
  }
  if (total == 0) return 1;
  for (const int64_t load : loads) {
    for (int count = 1; count <= num_slots && load > 0; ++count) {
      // The cap is load / count: other experts need ceil(other * count / load).
      int64_t needed = 0;
      for (const int64_t other : loads) {
        needed += std::max<int64_t>(1, (other * count + load - 1) / load);
      }
      if (needed <= num_slots) {
        best = std::min(best, static_cast<double>(load) / count);
      }
    }
  }
  return std::min(1.0, total / num_ranks / best);
}

// Without the bound, and with every slot in use.
double BalancednessOf(const std::vector<int64_t>& loads,
                      const std::vector<int32_t>& slots, int num_ranks) {
  const size_t slots_per_rank = slots.size() / num_ranks;
  std::vector<double> rank_loads(num_ranks, 0);
  double total = 0;
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    const double load = static_cast<double>(loads[slots[slot]]) /
                        static_cast<double>(std::count(
                            slots.begin(), slots.end(), slots[slot]));
    rank_loads[slot / slots_per_rank] += load;
    total += load;
  }
  const double largest =
      *std::max_element(rank_loads.begin(), rank_loads.end());
  return largest > 0 ? total / num_ranks / largest : 1;
}

TEST(PlacementScoreTest, BoundIsTheSmallestLargestReplica) {
  for (uint32_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const int num_ranks = 1 + random() % 6;
    const int slots_per_rank = 1 + random() % 5;
    const int num_slots = num_ranks * slots_per_rank;
    const int num_experts = 1 + random() % num_slots;
    const int largest = random() % 2 ? 4 : 1000;
    std::vector<int64_t> loads(num_experts);
    for (int64_t& load : loads) load = random() % (largest + 1);
    std::vector<int32_t> slots(num_slots);
    for (int slot = 0; slot < num_slots; ++slot)
      slots[slot] = slot % num_experts;
    const LayerScore score = Score(loads, slots, num_ranks);
    EXPECT_DOUBLE_EQ(score.bound,
                     BoundByDefinition(loads, num_slots, num_ranks));
    const double balancedness = BalancednessOf(loads, slots, num_ranks);
    EXPECT_NEAR(score.balancedness, balancedness, 1e-12);
    EXPECT_LE(balancedness, score.bound * (1 + 1e-12));
  }
}

}  // namespace
}  // namespace eplb
