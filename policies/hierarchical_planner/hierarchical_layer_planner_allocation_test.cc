// After the first layers a planner takes no more memory, whatever the loads.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "policies/hierarchical_planner/hierarchical_layer_planner.h"
#include "policies/load_order/avx512.h"
#include "policies/planner_test_cases.h"

namespace {

std::atomic<int64_t> num_allocations = 0;

}  // namespace

// All other forms come to these.
void* operator new(size_t num_bytes) {
  ++num_allocations;
  void* const memory = std::malloc(num_bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace eplb {
namespace {

void ExpectNoAllocationAfterWarmUp(const LayerGrid& grid, bool use_avx512) {
  HierarchicalLayerPlanner planner(grid, use_avx512);
  std::vector<int32_t> experts(grid.num_slots());
  // Loads that doubles tell apart, and loads that they do not.
  std::vector<int64_t> loads(grid.num_experts, 1);
  planner.PlanLayer(loads, {}, absl::MakeSpan(experts));
  loads[0] = int64_t{1} << 53;
  planner.PlanLayer(loads, {}, absl::MakeSpan(experts));
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    loads = RandomLoads(grid.num_experts, random);
    const int64_t before = num_allocations;
    planner.PlanLayer(loads, {}, absl::MakeSpan(experts));
    ASSERT_EQ(num_allocations - before, 0);
  }
}

constexpr LayerGrid kGrids[] = {
    {.num_experts = 256, .ranks_per_node = 32, .slots_per_rank = 9},
    {.num_experts = 128, .ranks_per_node = 80, .slots_per_rank = 2},
    {.num_experts = 256,
     .num_groups = 8,
     .num_nodes = 4,
     .ranks_per_node = 8,
     .slots_per_rank = 9},
};

TEST(HierarchicalLayerPlannerAllocationTest, PortablePlannerTakesNoMemory) {
  for (const LayerGrid& grid : kGrids) {
    ExpectNoAllocationAfterWarmUp(grid, /*use_avx512=*/false);
  }
}

TEST(HierarchicalLayerPlannerAllocationTest, FastestPlannerTakesNoMemory) {
  for (const LayerGrid& grid : kGrids) {
    ExpectNoAllocationAfterWarmUp(grid, CpuHasAvx512());
  }
}

}  // namespace
}  // namespace eplb
