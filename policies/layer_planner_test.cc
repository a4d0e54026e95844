#include "policies/layer_planner.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/placement_policy.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Turns the slots by the first load, from the current placement if there is
// one, else from experts in order.
class RotatingPlanner final : public LayerPlanner {
 public:
  void PlanLayer(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> current,
                 absl::Span<int32_t> experts) override {
    std::iota(experts.begin(), experts.end(), 0);
    std::copy(current.begin(), current.end(), experts.begin());
    std::rotate(experts.begin(), experts.begin() + loads[0], experts.end());
  }
};

std::vector<int32_t> Plan(const PlacementRequest& request) {
  return PlanLayers(request, [] { return std::make_unique<RotatingPlanner>(); })
      .value();
}

// Finds no memory for the layers that have a load.
class HungryPlanner final : public LayerPlanner {
 public:
  void PlanLayer(absl::Span<const int64_t> loads, absl::Span<const int32_t>,
                 absl::Span<int32_t>) override {
    if (loads[0] > 0) throw std::bad_alloc();
  }
};

TEST(LayerPlannerTest, NoMemoryOnAnyThreadIsAnError) {
  const ExpertLoads loads =
      ExpertLoads::Create(8, 1, {0, 0, 0, 0, 0, 1, 0, 1}).value();
  const Topology topology = Topology::Uniform(1).value();
  for (const int num_threads : {1, 4}) {
    EXPECT_THAT(
        PlanLayers({.shape = {.num_layers = 8, .num_logical_experts = 1},
                    .loads = &loads,
                    .topology = &topology,
                    .num_threads = num_threads},
                   [] { return std::make_unique<HungryPlanner>(); }),
        StatusIs(absl::StatusCode::kResourceExhausted,
                 HasSubstr("8 layers ran out of memory")));
  }
}

TEST(LayerPlannerTest, EveryLayerIsPlannedFromItsOwnLoads) {
  const ExpertLoads loads =
      ExpertLoads::Create(3, 2, {0, 0, 1, 0, 0, 0}).value();
  const Topology topology = Topology::Uniform(2).value();
  EXPECT_THAT(Plan({.shape = {.num_layers = 3, .num_logical_experts = 2},
                    .loads = &loads,
                    .topology = &topology}),
              ElementsAre(0, 1, 1, 0, 0, 1));
}

TEST(LayerPlannerTest, PlannersSeeActiveRanksNodeByNode) {
  // Ranks 0, 2, 4 on node 0 and 1, 3, 5 on node 1; rank 2 is inactive.
  const Topology topology =
      Topology::Create({0, 1, 0, 1, 0, 1})->WithInactiveRanks({2}).value();
  EXPECT_THAT(ActiveRanksByNode(topology), ElementsAre(0, 4, 1, 3, 5));
  const ExpertLoads loads = ExpertLoads::Create(1, 5, {1, 0, 0, 0, 0}).value();
  const Placement current =
      Placement::Create(1, 5, 6, {0, 2, -1, 3, 1, 4}).value();
  PlacementRequest request{.shape = {.num_layers = 1,
                                     .num_logical_experts = 5,
                                     .num_redundant_experts = 1},
                           .loads = &loads,
                           .topology = &topology};
  // 0 1 2 3 4 turned by one, on ranks 0 4 1 3 5.
  EXPECT_THAT(Plan(request), ElementsAre(1, 3, -1, 4, 2, 0));
  request.current = &current;
  EXPECT_THAT(Plan(request), ElementsAre(1, 3, -1, 4, 2, 0));
}

TEST(LayerPlannerTest, ThreadsDoNotShowInTheResult) {
  constexpr int kLayers = 64;
  std::vector<int64_t> values(kLayers * 8);
  for (int layer = 0; layer < kLayers; ++layer) values[layer * 8] = layer % 8;
  const ExpertLoads loads = ExpertLoads::Create(kLayers, 8, values).value();
  const Topology topology = Topology::Uniform(4).value();
  PlacementRequest request{
      .shape = {.num_layers = kLayers, .num_logical_experts = 8},
      .loads = &loads,
      .topology = &topology};
  const std::vector<int32_t> alone = Plan(request);
  for (const int num_threads : {2, 3, 64, 1000}) {
    request.num_threads = num_threads;
    EXPECT_EQ(Plan(request), alone) << num_threads;
  }
}

}  // namespace
}  // namespace eplb
