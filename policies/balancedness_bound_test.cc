#include "policies/balancedness_bound.h"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "policies/planner_test_cases.h"

namespace eplb {
namespace {

// Giving slots one by one to the largest replica is the best for it.
double LargestReplicaByGreedy(const std::vector<int64_t>& loads,
                              int64_t num_slots) {
  std::priority_queue<std::pair<double, size_t>> queue;
  std::vector<int64_t> counts(loads.size(), 1);
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    queue.push({static_cast<double>(loads[expert]), expert});
  }
  for (int64_t slot = loads.size(); slot < num_slots; ++slot) {
    const size_t expert = queue.top().second;
    queue.pop();
    queue.push({static_cast<double>(loads[expert]) /
                    static_cast<double>(++counts[expert]),
                expert});
  }
  return queue.top().first;
}

TEST(BalancednessBoundTest, SmallestLargestReplicaIsThatOfGreedyToTheBit) {
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const int num_experts = 1 + random() % (seed % 100 == 0 ? 1500 : 40);
    const int64_t num_slots =
        num_experts + random() % (random() % 3 ? num_experts + 1 : 400);
    const std::vector<int64_t> loads = RandomLoads(num_experts, random);
    ASSERT_EQ(SmallestLargestReplicaLoad(loads, num_slots),
              LargestReplicaByGreedy(loads, num_slots));
  }
}

TEST(BalancednessBoundTest, SmallestReplicaCountKeepsReplicasUnderTheCap) {
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const double load = static_cast<double>(random() >> (11 + random() % 52));
    const double cap =
        (1 + static_cast<double>(random() % 1000)) / 8 * (load / 512 + 1);
    const int64_t count = SmallestReplicaCount(load, cap);
    EXPECT_LE(load / static_cast<double>(count), cap);
    if (count > 1) {
      EXPECT_GT(load / static_cast<double>(count - 1), cap);
    }
  }
}

TEST(BalancednessBoundTest, OneHotExpertLimitsEveryPlacement) {
  // Two replicas of 50 where the mean rank load is 30.
  EXPECT_DOUBLE_EQ(BalancednessBound({100, 10, 10}, 4, 4), 0.6);
  EXPECT_DOUBLE_EQ(BalancednessBound({100, 10, 10}, 12, 4), 1);
  EXPECT_DOUBLE_EQ(BalancednessBound({0, 0}, 2, 2), 1);
}

}  // namespace
}  // namespace eplb
