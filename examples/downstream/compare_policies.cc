// Registers a policy of our own beside the built-in ones, and shows how even
// each makes the loads of a tiny model:
//
//   hierarchical  0.9412

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "snake_policy.h"

namespace downstream {
namespace {

absl::Status ComparePolicies() {
  eplb::PolicyRegistry registry;
  EPLB_RETURN_IF_ERROR(eplb::RegisterBuiltinPolicies(registry));
  EPLB_RETURN_IF_ERROR(
      registry.Register("snake", std::make_unique<SnakePolicy>()));

  // Eight experts in twelve slots on four ranks.
  const eplb::ModelShape shape{
      .num_layers = 1, .num_logical_experts = 8, .num_redundant_experts = 4};
  EPLB_ASSIGN_OR_RETURN(const eplb::Topology topology,
                        eplb::Topology::Uniform(/*num_ranks=*/4));
  EPLB_ASSIGN_OR_RETURN(
      const eplb::ExpertLoads loads,
      eplb::ExpertLoads::Create(1, 8, {90, 500, 40, 300, 50, 10, 60, 70}));
  for (const std::string& name : registry.Names()) {
    EPLB_ASSIGN_OR_RETURN(const eplb::PlacementPolicy* policy,
                          registry.Find(name));
    EPLB_ASSIGN_OR_RETURN(
        const eplb::PlacementResult result,
        policy->Place(
            {.shape = shape, .loads = &loads, .topology = &topology}));
    std::printf("%-12s  %.4f\n", name.c_str(), result.mean_balancedness());
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace downstream

int main() {
  const absl::Status status = downstream::ComparePolicies();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
