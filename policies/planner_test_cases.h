// Random layers for the tests of planners, and how to judge a plan.

#ifndef EPLB_POLICIES_PLANNER_TEST_CASES_H_
#define EPLB_POLICIES_PLANNER_TEST_CASES_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// One layer: its loads, and the ranks to place it on.
struct PlannerCase {
  int num_experts = 0;
  int num_ranks = 0;
  int slots_per_rank = 0;
  std::vector<int64_t> loads = {};

  int num_slots() const { return num_ranks * slots_per_rank; }
  std::string ToString() const;
};

// Loads of a random kind: none, equal, one hot, few values, huge, skewed.
std::vector<int64_t> RandomLoads(int num_experts, std::mt19937_64& random);

// A random shape with such loads; every expert has a slot.
PlannerCase RandomPlannerCase(std::mt19937_64& random);

// Mean rank load / max rank load; 1 for a layer without load.
double BalancednessOf(const PlannerCase& layer,
                      absl::Span<const int32_t> experts);

// Slots that hold an expert which another slot of the rank holds already.
int DuplicatesOf(const PlannerCase& layer, absl::Span<const int32_t> experts);

// The replicas of each expert; fails the test when a slot holds none or an
// expert has no slot.
std::vector<int> ReplicasOf(const PlannerCase& layer,
                            absl::Span<const int32_t> experts);

}  // namespace eplb

#endif  // EPLB_POLICIES_PLANNER_TEST_CASES_H_
