// Plans one layer for balance, from its loads alone.
//
// Example:
//   RefinedLayerPlanner planner(/*num_experts=*/256, /*num_ranks=*/32,
//                               /*slots_per_rank=*/9, RefinedOptions());
//   std::vector<int32_t> experts(32 * 9);
//   planner.PlanLayer(loads, {}, absl::MakeSpan(experts));

#ifndef EPLB_POLICIES_REFINED_PLANNER_REFINED_LAYER_PLANNER_H_
#define EPLB_POLICIES_REFINED_PLANNER_REFINED_LAYER_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/layer_planner.h"
#include "policies/refined_planner/counts_evaluator.h"
#include "policies/refined_planner/exhaustive_count_search.h"
#include "policies/refined_planner/layer_experts.h"
#include "policies/refined_planner/replica_count_search.h"
#include "policies/refined_planner/replica_counts.h"

namespace eplb {

struct RefinedOptions {
  // The search ends at a balancedness of (1 - wanted_gap) times the bound.
  // In [0, 1).
  double wanted_gap = 5e-4;
  // The most work for a layer, in units of about one look at the loads of all
  // slots. Layers that reach the wanted gap take 20 to 500 of them; the limit
  // is for those that cannot, mostly with two to four slots per rank.
  int64_t max_evaluations = 8000;
};

// Thread-compatible: one planner per thread. Layers are independent: the result
// depends only on the loads given and on how the planner was made.
class RefinedLayerPlanner final : public LayerPlanner {
 public:
  // There are at least as many slots as experts.
  RefinedLayerPlanner(int num_experts, int num_ranks, int slots_per_rank,
                      RefinedOptions options);

  // Fills `experts` (slot = rank * slots_per_rank + position).
  // `loads` has one entry per expert, each in [0, 2^53]. What the slots hold
  // now does not matter.
  //
  // Two replicas of an expert share a rank only when there are fewer experts
  // than slots per rank. The largest rank load is at most that of the `greedy`
  // policy, unless greedy won by bringing replicas together.
  void PlanLayer(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> current,
                 absl::Span<int32_t> experts) override;

 private:
  // Counts that were not packed at once.
  struct Candidate {
    double bound;
    double cap;
    SpareSlots spare;
  };

  void FillAlike(absl::Span<int32_t> experts) const;
  void ScanCaps(SpareSlots spare, double cap, double smallest_cap);
  void PackPostponed();
  void SearchCounts();

  int num_experts_;
  int num_ranks_;
  int slots_per_rank_;
  int num_slots_;
  RefinedOptions options_;
  std::vector<int64_t> equal_loads_;

  LayerExperts layer_experts_;
  ReplicaCountChooser chooser_;
  CountsEvaluator evaluator_;
  ExhaustiveCountSearch exhaustive_search_;
  ReplicaCountSearch count_search_;
  double wanted_rank_load_ = 0.0;
  std::vector<int32_t> counts_;
  std::vector<Candidate> postponed_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_REFINED_LAYER_PLANNER_H_
