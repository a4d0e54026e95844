#include "policies/planner_test_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace eplb {

std::string PlannerCase::ToString() const {
  return absl::StrCat(num_experts, " experts on ", num_ranks, " ranks of ",
                      slots_per_rank, " slots");
}

std::vector<int64_t> RandomLoads(int num_experts, std::mt19937_64& random) {
  constexpr int64_t kMaxLoad = int64_t{1} << 53;
  const int kind = static_cast<int>(random() % 10);
  const double skew = 0.1 * static_cast<double>(random() % 25);
  std::vector<int64_t> loads(num_experts);
  for (int expert = 0; expert < num_experts; ++expert) {
    switch (kind) {
      case 0:
        break;
      case 1:
        loads[expert] = 7;
        break;
      case 2:
        loads[expert] = expert == 0 ? 1000000 : 0;
        break;
      case 3:
        loads[expert] = expert == 0 ? 1000000 : random() % 3;
        break;
      case 4:
        loads[expert] = static_cast<int64_t>(random() >> 11);
        break;
      case 5:
        loads[expert] = kMaxLoad;
        break;
      case 6:
        loads[expert] = random() % 4;
        break;
      default:
        loads[expert] = std::llround(1e6 * std::pow(expert + 1.0, -skew));
    }
  }
  std::shuffle(loads.begin(), loads.end(), random);
  return loads;
}

PlannerCase RandomPlannerCase(std::mt19937_64& random) {
  PlannerCase layer;
  const int size = random() % 3 == 0 ? 8 : random() % 2 ? 40 : 120;
  layer.num_ranks = 1 + random() % (random() % 4 == 0 ? 4 : size / 2);
  layer.slots_per_rank = 1 + random() % (random() % 3 ? 6 : 16);
  const int num_slots = layer.num_slots();
  switch (random() % 4) {
    case 0:
      layer.num_experts = num_slots;
      break;
    case 1:
      layer.num_experts = 1 + random() % num_slots;
      break;
    default:
      layer.num_experts =
          std::max<int>(1, num_slots - random() % (num_slots / 4 + 1));
  }
  layer.loads = RandomLoads(layer.num_experts, random);
  return layer;
}

double BalancednessOf(const PlannerCase& layer,
                      absl::Span<const int32_t> experts) {
  const std::vector<int> replicas = ReplicasOf(layer, experts);
  double largest = 0;
  double total = 0;
  for (int rank = 0; rank < layer.num_ranks; ++rank) {
    double load = 0;
    for (const int32_t expert :
         experts.subspan(rank * layer.slots_per_rank, layer.slots_per_rank)) {
      load += static_cast<double>(layer.loads[expert]) / replicas[expert];
    }
    largest = std::max(largest, load);
    total += load;
  }
  return largest > 0 ? total / layer.num_ranks / largest : 1;
}

int DuplicatesOf(const PlannerCase& layer, absl::Span<const int32_t> experts) {
  int duplicates = 0;
  for (int rank = 0; rank < layer.num_ranks; ++rank) {
    const auto held =
        experts.subspan(rank * layer.slots_per_rank, layer.slots_per_rank);
    const std::set<int32_t> distinct(held.begin(), held.end());
    duplicates += static_cast<int>(held.size() - distinct.size());
  }
  return duplicates;
}

std::vector<int> ReplicasOf(const PlannerCase& layer,
                            absl::Span<const int32_t> experts) {
  std::vector<int> replicas(layer.num_experts, 0);
  for (const int32_t expert : experts) {
    if (expert < 0 || expert >= layer.num_experts) {
      ADD_FAILURE() << "expert " << expert << " in " << layer.ToString();
      return std::vector<int>(layer.num_experts, 1);
    }
    ++replicas[expert];
  }
  EXPECT_GE(*std::min_element(replicas.begin(), replicas.end()), 1)
      << "an expert has no slot";
  return replicas;
}

}  // namespace eplb
