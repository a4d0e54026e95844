// A placement policy of your own, in one function, and how even it makes the
// loads of a small model beside the built-in ones:
//
//   ./bazelw run //examples:custom_policy
//
// A policy says which expert sits in each slot. PlacementPolicy::Place does the
// rest of what every policy owes: it checks the request and the answer, lets
// experts that stay on a rank keep their slot, holds the limit of moves, and
// scores. An engine uses the policy by the name it is registered under.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"

namespace {

// Deals slots to ranks one at a time: whoever has the least load gets the
// hottest replica that is left. Redundant slots go to the hottest experts.
class LeastLoadedPolicy final : public eplb::PlacementPolicy {
 private:
  // The request is valid: sizes agree, and slots divide by the ranks. Keep no
  // state, and break ties by a rule (here the lower index): every rank plans
  // for itself, and all must come to the same.
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const eplb::PlacementRequest& request,
      std::vector<std::string>& /*warnings*/) const override {
    std::vector<int32_t> placement;
    for (int layer = 0; layer < request.shape.num_layers; ++layer) {
      const std::vector<int32_t> slots = PlaceLayer(request, layer);
      placement.insert(placement.end(), slots.begin(), slots.end());
    }
    return placement;
  }

  static std::vector<int32_t> PlaceLayer(const eplb::PlacementRequest& request,
                                         int layer) {
    const int num_experts = request.shape.num_logical_experts;
    const int num_slots = request.shape.num_physical_experts();
    const absl::Span<const int64_t> loads = request.loads->layer(layer);

    // One replica each, then one more to whose replicas carry most.
    std::vector<int64_t> replicas(num_experts, 1);
    for (int extra = num_experts; extra < num_slots; ++extra) {
      int hottest = 0;
      for (int expert = 1; expert < num_experts; ++expert) {
        if (loads[expert] * replicas[hottest] >
            loads[hottest] * replicas[expert]) {
          hottest = expert;
        }
      }
      ++replicas[hottest];
    }
    std::vector<int32_t> order;
    for (int expert = 0; expert < num_experts; ++expert) {
      order.insert(order.end(), replicas[expert], expert);
    }
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return loads[a] * replicas[b] > loads[b] * replicas[a];
    });

    // Slots of ranks that are not active stay empty.
    const int slots_per_rank = request.slots_per_rank();
    std::vector<int32_t> slots(num_slots, eplb::Placement::kEmptySlot);
    std::vector<double> load_of_rank(request.topology->num_ranks());
    std::vector<int> used(request.topology->num_ranks());
    const absl::Span<const int> ranks = request.topology->active_ranks();
    const size_t num_live = ranks.size() * slots_per_rank;
    for (size_t i = 0; i < std::min(order.size(), num_live); ++i) {
      int best = -1;
      for (const int rank : ranks) {
        if (used[rank] == slots_per_rank) continue;
        if (best < 0 || load_of_rank[rank] < load_of_rank[best]) best = rank;
      }
      slots[best * slots_per_rank + used[best]++] = order[i];
      load_of_rank[best] += static_cast<double>(loads[order[i]]) /
                            static_cast<double>(replicas[order[i]]);
    }
    return slots;
  }
};

absl::Status ComparePolicies() {
  eplb::PolicyRegistry registry;
  EPLB_RETURN_IF_ERROR(eplb::RegisterBuiltinPolicies(registry));
  EPLB_RETURN_IF_ERROR(
      registry.Register("least_loaded", std::make_unique<LeastLoadedPolicy>()));

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
    std::printf("%-12s  balancedness %.4f\n", name.c_str(),
                result.mean_balancedness());
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = ComparePolicies();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
