// What every built-in policy promises, over random requests.

#include "policies/builtin_policies.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/policy_registry.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

// A request that owns what it points to.
struct RandomRequest {
  explicit RandomRequest(uint32_t seed) {
    std::mt19937 random(seed);
    const int num_nodes = 1 + random() % 3;
    const int num_ranks = num_nodes * (1 + random() % 4);
    const int slots_per_rank = 1 + random() % 8;
    std::vector<int> inactive;
    for (int rank = 1; rank < num_ranks; ++rank) {
      if (random() % 8 == 0) inactive.push_back(rank);
    }
    topology =
        *Topology::Uniform(num_ranks, num_nodes)->WithInactiveRanks(inactive);
    const int live_slots = topology.num_active_ranks() * slots_per_rank;
    const int num_experts = 1 + random() % live_slots;
    shape = {.num_layers = 1 + static_cast<int>(random() % 3),
             .num_logical_experts = num_experts,
             .num_redundant_experts = num_ranks * slots_per_rank - num_experts,
             .num_expert_groups =
                 std::gcd(num_experts, static_cast<int>(1 + random() % 8))};
    loads = RandomLoads(random);
    if (random() % 2) current = RandomPlacement(random);
  }

  ExpertLoads RandomLoads(std::mt19937& random) const {
    std::vector<int64_t> values(shape.num_layers * shape.num_logical_experts);
    const int64_t scale = int64_t{1} << (random() % 54);
    const int kind = random() % 4;
    for (int64_t& load : values) {
      const double unit = (random() >> 5) * 0x1p-27;
      load = kind == 0   ? 0
             : kind == 1 ? static_cast<int64_t>(unit * 4)
             : kind == 2 ? static_cast<int64_t>(unit * scale)
                         : static_cast<int64_t>(std::pow(unit, 8) * scale);
    }
    return ExpertLoads::Create(shape.num_layers, shape.num_logical_experts,
                               values)
        .value();
  }

  Placement RandomPlacement(std::mt19937& random) const {
    std::vector<int32_t> experts;
    for (int layer = 0; layer < shape.num_layers; ++layer) {
      std::vector<int32_t> row(shape.num_physical_experts());
      for (size_t slot = 0; slot < row.size(); ++slot) {
        row[slot] = slot < static_cast<size_t>(shape.num_logical_experts)
                        ? slot
                        : random() % shape.num_logical_experts;
      }
      std::shuffle(row.begin(), row.end(), random);
      experts.insert(experts.end(), row.begin(), row.end());
    }
    return Placement::Create(shape.num_layers, shape.num_logical_experts,
                             shape.num_physical_experts(), std::move(experts))
        .value();
  }

  PlacementRequest request() const {
    return {.shape = shape,
            .loads = &loads,
            .topology = &topology,
            .current = current.has_value() ? &*current : nullptr};
  }

  Topology topology = Topology::Uniform(1).value();
  ModelShape shape;
  ExpertLoads loads = ExpertLoads::Create(1, 1, {0}).value();
  std::optional<Placement> current;
};

// Sums in another order differ by this much at most.
constexpr double kRounding = 1e-12;

// Mean rank load / max rank load, worked out from the table alone.
double BalancednessOf(const RandomRequest& random, const Placement& placement,
                      int layer) {
  const absl::Span<const int64_t> loads = random.loads.layer(layer);
  const absl::Span<const int32_t> slots = placement.experts_of_slots(layer);
  const size_t slots_per_rank = slots.size() / random.topology.num_ranks();
  double largest = 0;
  double total = 0;
  for (size_t first = 0; first < slots.size(); first += slots_per_rank) {
    double load = 0;
    for (const int32_t expert : slots.subspan(first, slots_per_rank)) {
      if (expert < 0) continue;
      load +=
          static_cast<double>(loads[expert]) /
          static_cast<double>(std::count(slots.begin(), slots.end(), expert));
    }
    largest = std::max(largest, load);
    total += load;
  }
  if (largest == 0) return 1;
  return total / random.topology.num_active_ranks() / largest;
}

constexpr uint32_t kSeeds = 1500;

class BuiltinPoliciesTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    EPLB_ASSERT_OK(RegisterBuiltinPolicies(registry_));
    EPLB_ASSERT_OK_AND_ASSIGN(policy_, registry_.Find(GetParam()));
  }

  PolicyRegistry registry_;
  const PlacementPolicy* policy_ = nullptr;
};

TEST_P(BuiltinPoliciesTest, EverySlotOfAnActiveRankHoldsAnExpert) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const RandomRequest random(seed);
    const PlacementRequest request = random.request();
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                              policy_->Place(request));
    const Placement& placement = result.placement;
    ASSERT_EQ(placement.num_slots(), random.shape.num_physical_experts());
    for (int layer = 0; layer < placement.num_layers(); ++layer) {
      for (int slot = 0; slot < placement.num_slots(); ++slot) {
        const int rank = slot / request.slots_per_rank();
        EXPECT_EQ(placement.expert_of_slot(layer, slot) >= 0,
                  random.topology.is_active(rank));
      }
      const double balancedness = BalancednessOf(random, placement, layer);
      EXPECT_NEAR(result.layers[layer].balancedness, balancedness, kRounding);
      EXPECT_LE(balancedness, result.layers[layer].bound * (1 + kRounding));
      EXPECT_LE(result.layers[layer].bound, 1);
    }
  }
}

TEST_P(BuiltinPoliciesTest, SameRequestGivesTheSameBits) {
  for (uint32_t seed = 0; seed < kSeeds; seed += 3) {
    SCOPED_TRACE(seed);
    const RandomRequest random(seed);
    PlacementRequest request = random.request();
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult once,
                              policy_->Place(request));
    request.num_threads = 3;
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult again,
                              policy_->Place(request));
    EXPECT_EQ(once.placement, again.placement);
  }
}

TEST_P(BuiltinPoliciesTest, MoveLimitHolds) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const RandomRequest random(seed);
    PlacementRequest request = random.request();
    // Experts of inactive ranks have to move, whatever the limit.
    if (!random.current.has_value() ||
        random.topology.num_active_ranks() < random.topology.num_ranks()) {
      continue;
    }
    request.max_moves_per_layer = 1 + static_cast<int>(seed % 5);
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                              policy_->Place(request));
    for (const LayerScore& layer : result.layers) {
      EXPECT_LE(layer.moved_slots, request.max_moves_per_layer);
    }
  }
}

TEST_P(BuiltinPoliciesTest, ManyReplicasOfFewExperts) {
  const ExpertLoads loads =
      ExpertLoads::Create(1, 8, {1 << 20, 7, 6, 5, 4, 3, 2, 0}).value();
  const Topology topology = Topology::Uniform(8).value();
  EPLB_ASSERT_OK_AND_ASSIGN(
      const PlacementResult result,
      policy_->Place({.shape = {.num_layers = 1,
                                .num_logical_experts = 8,
                                .num_redundant_experts = 2000},
                      .loads = &loads,
                      .topology = &topology}));
  EXPECT_GT(result.layers[0].balancedness, 0.9);
}

TEST_P(BuiltinPoliciesTest, LoadsUpToTheLimit) {
  const ExpertLoads loads =
      ExpertLoads::Create(1, 4,
                          {ExpertLoads::kMaxLoad, ExpertLoads::kMaxLoad - 1,
                           ExpertLoads::kMaxLoad - 2, 1})
          .value();
  const Topology topology = Topology::Uniform(2).value();
  EPLB_ASSERT_OK_AND_ASSIGN(
      const PlacementResult result,
      policy_->Place({.shape = {.num_layers = 1,
                                .num_logical_experts = 4,
                                .num_redundant_experts = 2},
                      .loads = &loads,
                      .topology = &topology}));
  EXPECT_GT(result.layers[0].balancedness, 0.74);
}

TEST_P(BuiltinPoliciesTest, OneRankHoldsEverything) {
  const ExpertLoads loads = ExpertLoads::Create(1, 3, {5, 0, 9}).value();
  const Topology topology = Topology::Uniform(1).value();
  EPLB_ASSERT_OK_AND_ASSIGN(
      const PlacementResult result,
      policy_->Place({.shape = {.num_layers = 1, .num_logical_experts = 3},
                      .loads = &loads,
                      .topology = &topology}));
  EXPECT_EQ(result.layers[0].balancedness, 1);
}

INSTANTIATE_TEST_SUITE_P(Policies, BuiltinPoliciesTest,
                         ::testing::Values("hierarchical", "greedy", "refined",
                                           "incremental"),
                         [](const auto& info) { return info.param; });

TEST(BuiltinPoliciesNamesTest, AreTheDocumentedOnes) {
  PolicyRegistry registry;
  EPLB_ASSERT_OK(RegisterBuiltinPolicies(registry));
  EXPECT_THAT(registry.Names(),
              ElementsAre("greedy", "hierarchical", "incremental", "refined"));
  EXPECT_THAT(RegisterBuiltinPolicies(registry),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

}  // namespace
}  // namespace eplb
