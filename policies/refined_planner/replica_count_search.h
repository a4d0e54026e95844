// A search over replica counts, one replica at a time.

#ifndef EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNT_SEARCH_H_
#define EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNT_SEARCH_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/refined_planner/counts_evaluator.h"
#include "policies/refined_planner/layer_experts.h"
#include "policies/refined_planner/rank_packing.h"

namespace eplb {

// Walks from counts to counts by taking a slot from one expert and giving it to
// another, where one of the two is on the most loaded rank: no other change can
// help that rank. When no move helps, the walk takes the least harmful one and
// does not go back for a while, so that it leaves local optima.
// Thread-compatible.
class ReplicaCountSearch {
 public:
  ReplicaCountSearch(int num_experts, int num_ranks);

  // Walks from `start` until the evaluator is done, `max_evaluations` are used,
  // or the walk has stopped leading to better counts. The best are found in the
  // evaluator.
  void Run(const LayerExperts& experts, absl::Span<const int32_t> start,
           int64_t max_evaluations, CountsEvaluator& evaluator);

 private:
  struct Move {
    int32_t from = -1;
    int32_t to = -1;
    double score = 0.0;
  };

  bool IsOver(const CountsEvaluator& evaluator) const;
  // Lower is better. With two slots per rank it is the largest rank load, which
  // PackingBound tells without packing.
  double PackAndScore(CountsEvaluator& evaluator) const;
  void ListExperts(const LayerExperts& experts, const RankPacking& packing);
  Move FindMove(CountsEvaluator& evaluator);
  // Updates `best`; true when the search for a move can stop.
  bool Consider(int32_t from, int32_t to, CountsEvaluator& evaluator,
                Move& best);

  int num_ranks_;
  int64_t step_ = 0;
  double current_score_ = 0.0;
  int64_t evaluations_to_leave_ = 0;
  std::vector<int32_t> counts_;
  std::vector<int32_t> on_loaded_rank_;
  std::vector<int32_t> donors_;          // experts with replicas to spare
  std::vector<int32_t> receivers_;       // experts worth giving a replica
  std::vector<int64_t> no_loss_before_;  // step from which it may shrink again
  std::vector<int64_t> no_gain_before_;  // step from which it may grow again
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNT_SEARCH_H_
