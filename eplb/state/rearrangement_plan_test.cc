#include "eplb/state/rearrangement_plan.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/state/eplb_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

// 2 ranks of 4 slots: 0 1 2 3 and 4 5 0 1.
constexpr ModelShape kShape{.num_layers = 2,
                            .num_logical_experts = 6,
                            .num_redundant_experts = 2,
                            .num_expert_groups = 1};

absl::StatusOr<RearrangementPlan> PlanFor(std::vector<int64_t> loads,
                                          const EplbConfig& config,
                                          PlanOptions options = {}) {
  PolicyRegistry policies;
  EXPECT_THAT(RegisterBuiltinPolicies(policies), IsOk());
  return PlanRearrangement(
      **policies.Find("greedy"), config, kShape,
      *ExpertLoads::Create(2, 6, std::move(loads)), *Topology::Uniform(2),
      *Placement::Initial(kShape), [](int layer) { return 100 * (layer + 1); },
      options);
}

TEST(RearrangementPlanTest, PromisesWhatTheLayersWithLoadGain) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RearrangementPlan plan,
                            PlanFor({1, 1, 1, 1, 50, 1, 0, 0, 0, 0, 0, 0}, {}));
  ASSERT_TRUE(plan.next.has_value());
  EXPECT_EQ(plan.next->num_replicas(0, 4), 3);
  // Rank 1 has 50 + 1 + a half of experts 0 and 1 each.
  EXPECT_DOUBLE_EQ(plan.balancedness_before, 55.0 / 2 / 52);
  EXPECT_GT(plan.balancedness_planned, 0.7);
  EXPECT_GT(plan.moved_slots, 0);
  EXPECT_GE(plan.moved_bytes, 100 * plan.moved_slots);
}

TEST(RearrangementPlanTest, SkipsWithoutTokens) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RearrangementPlan plan,
                            PlanFor(std::vector<int64_t>(12), {}));
  EXPECT_FALSE(plan.next.has_value());
  EXPECT_THAT(plan.skip_reason, HasSubstr("no tokens"));
}

TEST(RearrangementPlanTest, SkipsWhatPromisesTooLittleUnlessItMust) {
  EplbConfig config;
  config.min_balancedness_gain = 0.9;
  const std::vector<int64_t> loads = {1, 1, 1, 1, 50, 1, 0, 0, 0, 0, 0, 0};
  EPLB_ASSERT_OK_AND_ASSIGN(const RearrangementPlan plan,
                            PlanFor(loads, config));
  EXPECT_FALSE(plan.next.has_value());
  EXPECT_THAT(plan.skip_reason, HasSubstr("min_balancedness_gain"));
  EPLB_ASSERT_OK_AND_ASSIGN(const RearrangementPlan forced,
                            PlanFor(loads, config, {.is_forced = true}));
  EXPECT_TRUE(forced.next.has_value());
}

TEST(RearrangementPlanTest, NeverMovesForAPlanThatIsWorse) {
  // Every replica has its twin on the other rank: nothing can be better.
  PolicyRegistry policies;
  ASSERT_THAT(RegisterBuiltinPolicies(policies), IsOk());
  const ModelShape shape{1, 4, 4, 1};
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RearrangementPlan plan,
      PlanRearrangement(**policies.Find("greedy"), {}, shape,
                        *ExpertLoads::Create(1, 4, {99, 1, 1, 1}),
                        *Topology::Uniform(2), *Placement::Initial(shape),
                        [](int) { return 1; }, {}));
  EXPECT_FALSE(plan.next.has_value());
  EXPECT_EQ(plan.balancedness_before, 1);
}

}  // namespace
}  // namespace eplb
