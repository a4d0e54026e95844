#include "snake_policy.h"

#include <memory>

#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/topology.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"

namespace downstream {
namespace {

TEST(SnakePolicyTest, IsUsedByNameBesideTheBuiltInPolicies) {
  eplb::PolicyRegistry registry;
  ASSERT_TRUE(eplb::RegisterBuiltinPolicies(registry).ok());
  ASSERT_TRUE(registry.Register("snake", std::make_unique<SnakePolicy>()).ok());
  const absl::StatusOr<const eplb::PlacementPolicy*> policy =
      registry.Find("snake");
  ASSERT_TRUE(policy.ok()) << policy.status();

  const eplb::ExpertLoads loads =
      eplb::ExpertLoads::Create(1, 4, {40, 30, 20, 10}).value();
  const eplb::Topology topology = eplb::Topology::Uniform(2).value();
  const absl::StatusOr<eplb::PlacementResult> result =
      (*policy)->Place({.shape = {.num_layers = 1, .num_logical_experts = 4},
                        .loads = &loads,
                        .topology = &topology});
  ASSERT_TRUE(result.ok()) << result.status();
  // 40 and 10 on one rank, 30 and 20 on the other.
  EXPECT_EQ(result->layers[0].balancedness, 1);
}

}  // namespace
}  // namespace downstream
