// Every policy gives the same bits with every compiler, library and sanitizer:
// hashes of placements as they were found once. A change of a policy that is
// meant to change its plans changes them here.

#include <cstdint>
#include <string>
#include <vector>

#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "testing/status_matchers.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

namespace eplb {
namespace {

struct Golden {
  const char* traffic;
  int num_experts;
  int num_slots;
  int num_ranks;
  int num_nodes;
  int num_groups;
  // By the names of the policies.
  uint64_t greedy;
  uint64_t hierarchical;
  uint64_t incremental;
  uint64_t refined;
};

constexpr Golden kGoldens[] = {
    {"zipf:1.0", 256, 288, 32, 4, 8, 16048897802302811642u,
     2448616709719627745u, 13877018159227454350u, 18161742691894849534u},
    {"zipf:1.3,drift=0.9", 256, 320, 64, 8, 8, 14918867501767818990u,
     13620858138004263377u, 625736936865592850u, 17829380352780613672u},
    {"lognormal:1.2,drift=0.99", 128, 160, 32, 1, 1, 8251005721096632556u,
     8251005721096632556u, 512837236127830875u, 3606314948850641155u},
    {"lognormal:2,drift=0.99", 64, 80, 40, 2, 2, 4085695830020701535u,
     16145609620112755519u, 14737777755308803241u, 4085695830020701535u},
    {"uniform", 12, 24, 4, 2, 4, 18311724835351312620u, 6448341601332023581u,
     1297706770180986746u, 5500180686195949751u},
};

// The last of two plans, the second of which starts from the first.
uint64_t HashOfPlan(const PlacementPolicy& policy, const Golden& golden) {
  constexpr int kLayers = 2;
  TrafficGenerator traffic =
      TrafficGenerator::Create(ParseTrafficSpec(golden.traffic).value(),
                               kLayers, golden.num_experts, /*seed=*/1)
          .value();
  const Topology topology =
      Topology::Uniform(golden.num_ranks, golden.num_nodes).value();
  PlacementRequest request{
      .shape = {.num_layers = kLayers,
                .num_logical_experts = golden.num_experts,
                .num_redundant_experts = golden.num_slots - golden.num_experts,
                .num_expert_groups = golden.num_groups},
      .topology = &topology};
  const ExpertLoads before = traffic.Next(1 << 20).value();
  request.loads = &before;
  const Placement current = policy.Place(request).value().placement;
  const ExpertLoads loads = traffic.Next(1 << 20).value();
  request.loads = &loads;
  request.current = &current;
  return policy.Place(request).value().placement.Hash();
}

TEST(GoldenPlacementsTest, EveryPolicyGivesTheSameBitsEverywhere) {
  PolicyRegistry registry;
  EPLB_ASSERT_OK(RegisterBuiltinPolicies(registry));
  for (const Golden& golden : kGoldens) {
    SCOPED_TRACE(golden.traffic);
    SCOPED_TRACE(golden.num_slots);
    const auto hash = [&](const char* policy) {
      return HashOfPlan(**registry.Find(policy), golden);
    };
    EXPECT_EQ(hash("greedy"), golden.greedy);
    EXPECT_EQ(hash("hierarchical"), golden.hierarchical);
    EXPECT_EQ(hash("incremental"), golden.incremental);
    EXPECT_EQ(hash("refined"), golden.refined);
  }
}

}  // namespace
}  // namespace eplb
