#include "policies/refined_planner/exhaustive_count_search.h"

#include <algorithm>
#include <cstdint>

#include "policies/balancedness_bound.h"
#include "policies/refined_planner/counts_evaluator.h"
#include "policies/refined_planner/layer_experts.h"

namespace eplb {
namespace {

// About a quarter of the default evaluations, if none has to be packed.
constexpr int64_t kMaxWays = 500;

// The ways to give `num_spare` slots to `num_experts`, or more than kMaxWays.
int64_t NumWays(int64_t num_experts, int64_t num_spare) {
  int64_t ways = 1;
  for (int64_t i = 1; i <= num_spare && ways <= kMaxWays; ++i) {
    ways = ways * (num_experts + i - 1) / i;
  }
  return ways;
}

}  // namespace

bool ExhaustiveCountSearch::Run(const LayerExperts& experts, int num_slots,
                                CountsEvaluator& evaluator) {
  int64_t num_spare = num_slots;
  counts_.resize(experts.size());
  for (int expert = 0; expert < experts.size(); ++expert) {
    const int64_t count = std::min<int64_t>(
        SmallestReplicaCount(experts.load(expert), evaluator.best_load()),
        num_ranks_);
    counts_[expert] = static_cast<int32_t>(count);
    num_spare -= count;
  }
  // Rounding in the sum of a rank can leave no way to match the best.
  if (num_spare < 0) return true;
  if (NumWays(experts.size(), num_spare) > kMaxWays) return false;
  GiveFrom(0, static_cast<int>(num_spare), evaluator);
  return true;
}

void ExhaustiveCountSearch::GiveFrom(int first_expert, int num_spare,
                                     CountsEvaluator& evaluator) {
  if (evaluator.IsDone()) return;
  if (num_spare == 0) {
    if (evaluator.Bound(counts_) < evaluator.best_load()) {
      evaluator.Pack(counts_, evaluator.best_load());
    }
    return;
  }
  const int num_experts = static_cast<int>(counts_.size());
  for (int expert = first_expert; expert < num_experts; ++expert) {
    if (counts_[expert] == num_ranks_) continue;
    ++counts_[expert];
    GiveFrom(expert, num_spare - 1, evaluator);
    --counts_[expert];
  }
}

}  // namespace eplb
