// All replica counts of a tiny layer.

#ifndef EPLB_POLICIES_REFINED_PLANNER_EXHAUSTIVE_COUNT_SEARCH_H_
#define EPLB_POLICIES_REFINED_PLANNER_EXHAUSTIVE_COUNT_SEARCH_H_

#include <cstdint>
#include <vector>

#include "policies/refined_planner/counts_evaluator.h"
#include "policies/refined_planner/layer_experts.h"

namespace eplb {

// Tries every way to give out the slots that are left once no expert has a
// replica above the best largest rank load so far. On a layer with few experts
// or few such slots that is less work than a walk, and misses nothing.
// Thread-compatible.
class ExhaustiveCountSearch {
 public:
  explicit ExhaustiveCountSearch(int num_ranks) : num_ranks_(num_ranks) {}

  // Returns false, with nothing tried, when there are too many ways.
  bool Run(const LayerExperts& experts, int num_slots,
           CountsEvaluator& evaluator);

 private:
  void GiveFrom(int first_expert, int num_spare, CountsEvaluator& evaluator);

  int num_ranks_;
  std::vector<int32_t> counts_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_EXHAUSTIVE_COUNT_SEARCH_H_
