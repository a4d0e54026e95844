#include "tools/simulation/simulate_all.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/expert_loads.h"
#include "eplb/load/recorded_loads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "testing/status_matchers.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"
#include "tools/simulation/simulation.h"

namespace eplb {
namespace {

class SimulateAllTest : public ::testing::Test {
 protected:
  SimulateAllTest() : trace_(MakeTrace()) {
    EXPECT_THAT(RegisterBuiltinPolicies(registry_), IsOk());
    for (const char* policy : {"greedy", "refined", "incremental"}) {
      for (const int num_ranks : {2, 4, 8}) {
        combinations_.push_back({.policy = *registry_.Find(policy),
                                 .num_ranks = num_ranks,
                                 .num_redundant_experts = 8,
                                 .interval = 10,
                                 .window = 20});
      }
    }
  }

  static RecordedLoads MakeTrace() {
    TrafficGenerator traffic = *TrafficGenerator::Create(
        *ParseTrafficSpec("zipf:1.0,drift=0.9"), 3, 16, /*seed=*/5);
    std::vector<int64_t> loads;
    for (int step = 0; step < 60; ++step) {
      const ExpertLoads next = *traffic.Next(1000);
      loads.insert(loads.end(), next.values().begin(), next.values().end());
    }
    return *RecordedLoads::Create(
        {.num_steps = 60, .num_layers = 3, .num_logical_experts = 16},
        std::move(loads));
  }

  PolicyRegistry registry_;
  RecordedLoads trace_;
  std::vector<SimulationOptions> combinations_;
};

TEST_F(SimulateAllTest, GivesTheSameOnAnyNumberOfThreads) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const std::vector<Simulation> alone,
      SimulateAll(trace_, combinations_, {.num_threads = 1}));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const std::vector<Simulation> together,
      SimulateAll(trace_, combinations_, {.num_threads = 4}));
  ASSERT_EQ(alone.size(), combinations_.size());
  ASSERT_EQ(together.size(), combinations_.size());
  for (size_t i = 0; i < alone.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(together[i].balancedness, alone[i].balancedness);
    EXPECT_EQ(together[i].rank_loads, alone[i].rank_loads);
    EXPECT_EQ(together[i].placement, alone[i].placement);
    EXPECT_EQ(together[i].moved_slots(), alone[i].moved_slots());
    EXPECT_EQ(alone[i].rank_loads.size(), 3u * combinations_[i].num_ranks);
  }
}

TEST_F(SimulateAllTest, CountsTheStepsOfAllCombinations) {
  int64_t last = 0;
  EPLB_ASSERT_OK(SimulateAll(
      trace_, combinations_,
      {.num_threads = 3, .progress = [&](int64_t steps, int64_t all_steps) {
         EXPECT_GT(steps, last);
         EXPECT_EQ(all_steps, 60 * 9);
         last = steps;
       }}));
  EXPECT_EQ(last, 60 * 9);
}

TEST_F(SimulateAllTest, FailsWithTheFirstCombinationThatFails) {
  combinations_[3].num_ranks = 5;
  combinations_[7].num_ranks = 7;
  for (const int num_threads : {1, 4}) {
    EXPECT_THAT(
        SimulateAll(trace_, combinations_, {.num_threads = num_threads}),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 ::testing::HasSubstr("5")));
  }
}

TEST_F(SimulateAllTest, DoesNothingWithoutCombinations) {
  EPLB_ASSERT_OK_AND_ASSIGN(const std::vector<Simulation> none,
                            SimulateAll(trace_, {}, {.num_threads = 4}));
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace eplb
