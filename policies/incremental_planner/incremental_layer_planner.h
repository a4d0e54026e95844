#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_INCREMENTAL_LAYER_PLANNER_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_INCREMENTAL_LAYER_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/incremental_planner/balancing_attempt.h"
#include "policies/incremental_planner/placement_completion.h"
#include "policies/incremental_planner/placement_record.h"
#include "policies/incremental_planner/rank_naming.h"
#include "policies/incremental_planner/working_placement.h"
#include "policies/layer_planner.h"
#include "policies/refined_planner/refined_layer_planner.h"

namespace eplb {

struct IncrementalOptions {
  // Wanted mean rank load / largest rank load, in (0, 1].
  double target_balancedness = 0.97;
  // Largest number of moved slots per layer; 0 means no limit. Slots that must
  // change because experts or slots were lost may exceed it.
  int max_moves = 0;
};

// Plans one layer from its current placement: reaches the wanted balancedness
// with as few moved slots as it can, or the best balancedness it finds within
// the limit of moves. A slot of the result counts as moved when its expert was
// not on that rank before (counted with multiplicity).
//
// The plan depends on nothing but the arguments: same input, same bits.
// Thread-compatible.
//
//   IncrementalLayerPlanner planner(256, 32, 9, {.target_balancedness = 0.98});
//   planner.PlanLayer(loads, current, absl::MakeSpan(experts));
class IncrementalLayerPlanner final : public LayerPlanner {
 public:
  // There must be at least as many slots as experts.
  IncrementalLayerPlanner(int num_experts, int num_ranks, int slots_per_rank,
                          IncrementalOptions options);

  // `loads` has the tokens of each expert, at least 0. `current` is rank-major
  // with -1 for empty slots; experts may be missing. The result has every
  // expert and no empty slot; experts that stay on a rank keep their slots. A
  // complete layer that has the wanted balancedness is returned unchanged, and
  // no complete layer gets worse.
  void PlanLayer(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> current,
                 absl::Span<int32_t> experts) override;

 private:
  void ScaleLoads(absl::Span<const int64_t> loads);
  // The largest rank load to aim at, in units of the mean.
  double WantedRankLoad(absl::Span<const int64_t> loads) const;
  void Balance(absl::Span<const int64_t> loads, double wanted);
  // The part of all load that is above the limit of its rank.
  double Misplaced(double limit) const;
  // Changes placement_ until no rank exceeds the limit, if that can be done
  // for so many moves.
  bool Attempt(double limit, int max_moves);
  // What is left when that has failed.
  void BalanceWithinMoveLimit(double limit);
  bool Rebuild(absl::Span<const int64_t> loads, double limit);
  void SettleForBestBalance();
  void WriteResult(const PlacementRecord& result, absl::Span<int32_t> experts);

  const int num_slots_;
  const int slots_per_rank_;
  const IncrementalOptions options_;
  WorkingPlacement placement_;
  BalancingAttempt attempt_;
  PlacementCompletion completion_;
  RefinedLayerPlanner refined_;
  RankNaming rank_naming_;
  std::vector<double> loads_;     // in units of the mean rank load
  std::vector<int32_t> current_;  // what moves are counted against
  std::vector<int32_t> start_;    // the same, completed
  std::vector<int32_t> rebuilt_;
  std::vector<int32_t> incoming_;  // experts of one rank without a slot yet
  int move_limit_ = 0;
  PlacementRecord reached_;       // what the last attempt came to, if it did
  PlacementRecord best_balance_;  // for when none does
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_INCREMENTAL_LAYER_PLANNER_H_
