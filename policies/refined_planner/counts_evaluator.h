// How well a layer balances with given replica counts.

#ifndef EPLB_POLICIES_REFINED_PLANNER_COUNTS_EVALUATOR_H_
#define EPLB_POLICIES_REFINED_PLANNER_COUNTS_EVALUATOR_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "policies/refined_planner/layer_experts.h"
#include "policies/refined_planner/moved_replica_loads.h"
#include "policies/refined_planner/rank_packing.h"
#include "policies/refined_planner/replica_list.h"
#include "policies/refined_planner/swap_improvement.h"

namespace eplb {

// How far a packing is from the wanted rank load.
struct PackedLoad {
  double largest = 0.0;  // rank load
  double excess = 0.0;   // over the wanted load, summed over ranks
};

// Packs replica counts, improves promising packings, remembers the best, and
// keeps the account of evaluations. An evaluation is about as much work as
// reading the loads of all slots once or twice. Thread-compatible.
class CountsEvaluator {
 public:
  CountsEvaluator(int num_ranks, int slots_per_rank);

  // Forgets the layer before. A largest rank load of `wanted_rank_load` is good
  // enough. `experts` outlives the evaluations.
  void StartLayer(const LayerExperts& experts, double wanted_rank_load,
                  int64_t max_evaluations);

  // A lower limit of the largest rank load that `counts` can lead to.
  double Bound(absl::Span<const int32_t> counts);

  // Packs `counts`, and improves the packing by exchanges if its largest rank
  // load comes close to `promising_load`.
  PackedLoad Pack(absl::Span<const int32_t> counts, double promising_load);

  // Makes the counts that Bound or Pack saw last the base for moves.
  void SetMoveBase(absl::Span<const int32_t> counts);

  // Bound for the base with one replica taken from `from` and given to `to`, in
  // a fraction of the time.
  double BoundAfterMove(int from, int to);

  // Can fall below 0 by the cost of the last thing done.
  int64_t evaluations_left() const { return evaluations_left_; }

  // Whether a search should end: the best is good enough, or the evaluations
  // are used up.
  bool IsDone() const {
    return best_load_ <= wanted_rank_load_ || evaluations_left_ <= 0;
  }

  double best_load() const { return best_load_; }
  absl::Span<const int32_t> best_counts() const { return best_counts_; }
  absl::Span<const int32_t> best_placement() const { return best_placement_; }

  // The load of the hottest replica that Bound saw last.
  double largest_replica() const { return replicas_.load(0); }

  // What was packed last.
  const RankPacking& packing() const { return packing_; }

 private:
  int num_ranks_;
  int slots_per_rank_;
  const LayerExperts* experts_ = nullptr;
  double wanted_rank_load_ = 0.0;
  int64_t evaluations_left_ = 0;

  ReplicaList replicas_;
  MovedReplicaLoads moved_loads_;
  std::vector<int32_t> base_counts_;
  std::vector<double> base_loads_;
  RankPacking packing_;
  SwapImprovement swaps_;

  double best_load_ = std::numeric_limits<double>::infinity();
  std::vector<int32_t> best_counts_;
  std::vector<int32_t> best_placement_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_COUNTS_EVALUATOR_H_
