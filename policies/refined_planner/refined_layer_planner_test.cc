#include "policies/refined_planner/refined_layer_planner.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "policies/balancedness_bound.h"
#include "policies/hierarchical_planner/hierarchical_layer_planner.h"
#include "policies/planner_test_cases.h"

namespace eplb {
namespace {

// Sums in another order differ by this much at most.
constexpr double kRounding = 1e-12;

std::vector<int32_t> Refined(const PlannerCase& layer,
                             RefinedOptions options = {}) {
  RefinedLayerPlanner planner(layer.num_experts, layer.num_ranks,
                              layer.slots_per_rank, options);
  std::vector<int32_t> experts(layer.num_slots(), -1);
  planner.PlanLayer(layer.loads, {}, absl::MakeSpan(experts));
  return experts;
}

std::vector<int32_t> Greedy(const PlannerCase& layer) {
  HierarchicalLayerPlanner planner({.num_experts = layer.num_experts,
                                    .ranks_per_node = layer.num_ranks,
                                    .slots_per_rank = layer.slots_per_rank});
  std::vector<int32_t> experts(layer.num_slots());
  planner.PlanLayer(layer.loads, {}, absl::MakeSpan(experts));
  return experts;
}

double Bound(const PlannerCase& layer) {
  return BalancednessBound(layer.loads, layer.num_slots(), layer.num_ranks);
}

// Two replicas of an expert share a rank only where slots are left over once
// every rank holds every expert.
void ExpectNoAvoidableDuplicates(const PlannerCase& layer,
                                 absl::Span<const int32_t> experts) {
  EXPECT_EQ(
      DuplicatesOf(layer, experts),
      layer.num_ranks * std::max(0, layer.slots_per_rank - layer.num_experts));
}

TEST(RefinedLayerPlannerTest, RandomLayersKeepThePromises) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    std::mt19937_64 random(seed);
    const PlannerCase layer = RandomPlannerCase(random);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", layer.ToString()));
    RefinedOptions options;
    if (random() % 4 == 0) options.max_evaluations = random() % 100;
    if (random() % 8 == 0) options.wanted_gap = 0;
    const std::vector<int32_t> refined = Refined(layer, options);
    ExpectNoAvoidableDuplicates(layer, refined);
    const double balancedness = BalancednessOf(layer, refined);
    EXPECT_LE(balancedness, Bound(layer) + kRounding);
    // Greedy may win only by bringing replicas of an expert together.
    const std::vector<int32_t> greedy = Greedy(layer);
    if (DuplicatesOf(layer, greedy) == 0) {
      EXPECT_GE(balancedness, BalancednessOf(layer, greedy) - kRounding);
    }
  }
}

TEST(RefinedLayerPlannerTest, PlansDoNotDependOnWhatWasPlannedBefore) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    const PlannerCase layer = RandomPlannerCase(random);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", layer.ToString()));
    RefinedLayerPlanner planner(layer.num_experts, layer.num_ranks,
                                layer.slots_per_rank, {});
    std::vector<int32_t> experts(layer.num_slots());
    planner.PlanLayer(RandomLoads(layer.num_experts, random), {},
                      absl::MakeSpan(experts));
    planner.PlanLayer(layer.loads, {}, absl::MakeSpan(experts));
    EXPECT_EQ(experts, Refined(layer));
  }
}

// The best balancedness of all placements without duplicates on a rank.
class BruteForce {
 public:
  explicit BruteForce(const PlannerCase& layer)
      : layer_(layer),
        counts_(layer.num_experts, 1),
        rank_load_(layer.num_ranks),
        rank_size_(layer.num_ranks) {}

  double Balancedness() {
    ChooseCounts(0, layer_.num_slots() - layer_.num_experts);
    double total = 0;
    for (const int64_t load : layer_.loads) total += static_cast<double>(load);
    return best_ > 0 ? total / layer_.num_ranks / best_ : 1;
  }

 private:
  void ChooseCounts(int expert, int spare) {
    if (expert == layer_.num_experts - 1) {
      counts_[expert] = 1 + spare;
      if (counts_[expert] <= layer_.num_ranks) PlaceReplica(0, 0, 0, 0);
      return;
    }
    for (int extra = 0; extra <= spare && extra < layer_.num_ranks; ++extra) {
      counts_[expert] = 1 + extra;
      ChooseCounts(expert + 1, spare - extra);
    }
  }

  // Places replica `replica` of `expert` on `first_rank` or a later one.
  void PlaceReplica(int expert, int replica, int first_rank, double largest) {
    if (largest >= best_) return;
    if (expert == layer_.num_experts) {
      best_ = largest;
      return;
    }
    if (replica == counts_[expert]) {
      PlaceReplica(expert + 1, 0, 0, largest);
      return;
    }
    for (int rank = first_rank; rank < layer_.num_ranks; ++rank) {
      if (rank_size_[rank] == layer_.slots_per_rank) continue;
      const double before = rank_load_[rank];
      rank_load_[rank] +=
          static_cast<double>(layer_.loads[expert]) / counts_[expert];
      ++rank_size_[rank];
      PlaceReplica(expert, replica + 1, rank + 1,
                   std::max(largest, rank_load_[rank]));
      --rank_size_[rank];
      rank_load_[rank] = before;
    }
  }

  const PlannerCase& layer_;
  std::vector<int> counts_;
  std::vector<double> rank_load_;
  std::vector<int> rank_size_;
  double best_ = std::numeric_limits<double>::infinity();
};

TEST(RefinedLayerPlannerTest, TinyLayersAreMostlyOptimal) {
  int optimal = 0;
  int total = 0;
  double worst = 1;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    PlannerCase layer;
    layer.num_ranks = 2 + random() % 2;
    layer.slots_per_rank = 2 + random() % 2;
    layer.num_experts = std::max<int>(layer.slots_per_rank + 1,
                                      layer.num_slots() - random() % 4);
    if (layer.num_experts > layer.num_slots()) continue;
    layer.loads = RandomLoads(layer.num_experts, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", layer.ToString()));
    const double best = BruteForce(layer).Balancedness();
    const double refined = BalancednessOf(layer, Refined(layer));
    EXPECT_LE(refined, best + kRounding);
    ++total;
    optimal += refined >= best * (1 - 1e-9);
    worst = std::min(worst, refined / best);
  }
  // 1,466 of 1,501 and 0.974 over more seeds.
  EXPECT_GE(optimal, total * 95 / 100) << "of " << total;
  EXPECT_GE(worst, 0.97);
}

PlannerCase ExactZipf(int num_experts, double skew, int num_ranks) {
  PlannerCase layer{
      .num_experts = num_experts, .num_ranks = num_ranks, .slots_per_rank = 2};
  for (int expert = 0; expert < num_experts; ++expert) {
    layer.loads.push_back(std::llround(1e9 * std::pow(expert + 1.0, -skew)));
  }
  return layer;
}

TEST(RefinedLayerPlannerTest, TwoSlotsPerRankComeWithinHalfAPercentOfOptima) {
  // Optima of max / mean, found by an exact solver.
  const PlannerCase large = ExactZipf(256, 0.6, 144);
  EXPECT_LE(1 / BalancednessOf(large, Refined(large)), 1.3311 * 1.005);
  const PlannerCase small = ExactZipf(128, 0.6, 80);
  EXPECT_LE(1 / BalancednessOf(small, Refined(small)), 1.0860 * 1.005);
}

TEST(RefinedLayerPlannerTest, EightExpertsOnEightRanksReachTheOptimum) {
  const PlannerCase layer{.num_experts = 8,
                          .num_ranks = 8,
                          .slots_per_rank = 2,
                          .loads = {600, 560, 120, 120, 20, 10, 10, 10}};
  const double mean = 1450.0 / 8;
  EXPECT_NEAR(mean / BalancednessOf(layer, Refined(layer)), 196.6666667, 1e-6);
}

TEST(RefinedLayerPlannerTest, LayerWithoutLoadSpreadsRedundancyEvenly) {
  const PlannerCase layer{.num_experts = 6,
                          .num_ranks = 4,
                          .slots_per_rank = 4,
                          .loads = std::vector<int64_t>(6, 0)};
  std::vector<int> replicas = ReplicasOf(layer, Refined(layer));
  std::sort(replicas.begin(), replicas.end());
  EXPECT_EQ(replicas, (std::vector<int>{2, 2, 3, 3, 3, 3}));
}

}  // namespace
}  // namespace eplb
