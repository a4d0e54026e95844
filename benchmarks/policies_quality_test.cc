// The figures of docs/policies.md that say how even placements are and what
// they move, on fewer layers: no change may lose them unnoticed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "benchmarks/placement_workload.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "gtest/gtest.h"
#include "policies/incremental.h"
#include "policies/placement_policy.h"
#include "policies/refined.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

WorkloadShape ShapeNamed(absl::string_view name, int num_layers) {
  for (WorkloadShape shape : WorkloadShapes()) {
    if (shape.name != name) continue;
    shape.num_layers = num_layers;
    return shape;
  }
  ADD_FAILURE() << "no shape " << name;
  return {};
}

TEST(PoliciesQualityTest, RefinedComesCloseToTheBound) {
  for (const char* name : {"R1", "R1-wide", "K2", "Qwen3", "Q3N"}) {
    for (const char* traffic :
         {"zipf:0.6", "zipf:1.0", "zipf:1.3", "lognormal:1", "lognormal:2"}) {
      const PlacementWorkload workload =
          Synthetic(ShapeNamed(name, /*num_layers=*/4), traffic, 1);
      SCOPED_TRACE(workload.name());
      EPLB_ASSERT_OK_AND_ASSIGN(
          const PlacementResult result,
          RefinedPolicy().Place({.shape = workload.shape(),
                                 .loads = &workload.steps().front(),
                                 .topology = &workload.topology()}));
      double sum = 0;
      double worst = 1;
      for (const LayerScore& layer : result.layers) {
        EXPECT_EQ(layer.duplicate_slots, 0);
        sum += layer.balancedness / layer.bound;
        worst = std::min(worst, layer.balancedness / layer.bound);
      }
      const bool is_loose = workload.shape().num_logical_experts == 128 &&
                            absl::string_view(traffic) == "lognormal:2";
      EXPECT_GE(sum / workload.shape().num_layers, is_loose ? 0.998 : 0.999);
      EXPECT_GE(worst, is_loose ? 0.97 : 0.995);
    }
  }
}

TEST(PoliciesQualityTest, RefinedComesCloseToTheBoundOfRecordedLoads) {
  const PlacementWorkload domains = GptOssDomains();
  for (size_t domain = 0; domain < domains.steps().size(); domain += 41) {
    SCOPED_TRACE(domain);
    EPLB_ASSERT_OK_AND_ASSIGN(
        const PlacementResult result,
        RefinedPolicy().Place({.shape = domains.shape(),
                               .loads = &domains.steps()[domain],
                               .topology = &domains.topology()}));
    double sum = 0;
    for (const LayerScore& layer : result.layers) {
      sum += layer.balancedness / layer.bound;
    }
    EXPECT_GE(sum / domains.shape().num_layers, 0.99);
  }
}

struct Replans {
  std::vector<int64_t> moved_slots;  // by each
  double worst_balancedness = 1;
};

// Each from the placement before.
Replans Replan(const PlacementWorkload& workload, double target) {
  Replans replans;
  Placement current = workload.FirstPlacement();
  for (const ExpertLoads& loads : workload.steps()) {
    const PlacementResult result = IncrementalPolicy()
                                       .Place({.shape = workload.shape(),
                                               .loads = &loads,
                                               .topology = &workload.topology(),
                                               .current = &current,
                                               .target_balancedness = target})
                                       .value();
    int64_t moved = 0;
    for (const LayerScore& layer : result.layers) {
      moved += layer.moved_slots;
      replans.worst_balancedness =
          std::min(replans.worst_balancedness, layer.balancedness);
    }
    replans.moved_slots.push_back(moved);
    current = result.placement;
  }
  return replans;
}

class IncrementalQualityTest : public ::testing::Test {
 protected:
  void ExpectFewMoves(double target, double largest_share) {
    const PlacementWorkload workload =
        Synthetic(ShapeNamed("R1", /*num_layers=*/8),
                  "lognormal:1.2,drift=0.99", /*num_steps=*/20);
    const Replans replans = Replan(workload, target);
    // No layer of this traffic has a bound below the target.
    EXPECT_GE(replans.worst_balancedness, target);
    int64_t first_half = 0;
    int64_t second_half = 0;
    for (size_t i = 0; i < replans.moved_slots.size(); ++i) {
      (i < 10 ? first_half : second_half) += replans.moved_slots[i];
    }
    const int64_t slots = int64_t{20} * workload.shape().num_layers *
                          workload.shape().num_physical_experts();
    EXPECT_LE(first_half + second_half, largest_share * slots);
    EXPECT_LE(second_half, 1.1 * first_half);
  }
};

TEST_F(IncrementalQualityTest, ReachesBalance98WithSevenPercentOfTheSlots) {
  ExpectFewMoves(0.98, 0.07);
}

TEST_F(IncrementalQualityTest, ReachesBalance95WithThreePercentOfTheSlots) {
  ExpectFewMoves(0.95, 0.033);
}

}  // namespace
}  // namespace eplb
