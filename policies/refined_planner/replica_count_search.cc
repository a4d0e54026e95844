#include "policies/refined_planner/replica_count_search.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "policies/refined_planner/counts_evaluator.h"
#include "policies/refined_planner/layer_experts.h"
#include "policies/refined_planner/rank_packing.h"

namespace eplb {
namespace {

// Steps for which a move is not undone, except for one that improves.
constexpr int64_t kTabuSteps = 6;

// Steps without a better score after which the walk ends.
constexpr int64_t kPatience = 4;

// The largest rank load alone does not tell whether one rank is too full or
// many are. What all ranks have too much tells it, and leads on where the
// largest load stays the same.
constexpr double kExcessWeight = 0.5;

// Of the experts without siblings, only those at both ends of the order make
// replicas of a size that the others do not have already.
constexpr int kReceiversAtEachEnd = 8;

}  // namespace

ReplicaCountSearch::ReplicaCountSearch(int num_experts, int num_ranks)
    : num_ranks_(num_ranks),
      no_loss_before_(num_experts),
      no_gain_before_(num_experts) {}

void ReplicaCountSearch::Run(const LayerExperts& experts,
                             absl::Span<const int32_t> start,
                             int64_t max_evaluations,
                             CountsEvaluator& evaluator) {
  std::fill(no_loss_before_.begin(), no_loss_before_.end(), 0);
  std::fill(no_gain_before_.begin(), no_gain_before_.end(), 0);
  counts_.assign(start.begin(), start.end());
  double best_score = std::numeric_limits<double>::infinity();
  int64_t best_step = 0;
  evaluations_to_leave_ = evaluator.evaluations_left() - max_evaluations;
  for (step_ = 1;; ++step_) {
    current_score_ = PackAndScore(evaluator);
    if (current_score_ < best_score) {
      best_score = current_score_;
      best_step = step_;
    }
    if (IsOver(evaluator) || step_ == best_step + kPatience) return;
    evaluator.SetMoveBase(counts_);
    ListExperts(experts, evaluator.packing());
    const Move move = FindMove(evaluator);
    if (move.from < 0) return;
    ++counts_[move.to];
    --counts_[move.from];
    no_loss_before_[move.to] = step_ + kTabuSteps;
    no_gain_before_[move.from] = step_ + kTabuSteps;
  }
}

bool ReplicaCountSearch::IsOver(const CountsEvaluator& evaluator) const {
  return evaluator.IsDone() ||
         evaluator.evaluations_left() <= evaluations_to_leave_;
}

double ReplicaCountSearch::PackAndScore(CountsEvaluator& evaluator) const {
  const PackedLoad packed = evaluator.Pack(counts_, evaluator.best_load());
  return evaluator.packing().slots_per_rank() == 2
             ? packed.largest
             : packed.largest + kExcessWeight * packed.excess;
}

void ReplicaCountSearch::ListExperts(const LayerExperts& experts,
                                     const RankPacking& packing) {
  on_loaded_rank_.clear();
  for (const int32_t replica : packing.replicas_on(packing.MostLoadedRank())) {
    on_loaded_rank_.push_back(packing.replicas().expert(replica));
  }
  donors_.clear();
  receivers_.clear();
  int num_single = 0;
  for (const int32_t expert : experts.by_falling_load()) {
    num_single += counts_[expert] == 1 ? 1 : 0;
  }
  int single = 0;
  for (const int32_t expert : experts.by_falling_load()) {
    const bool is_single = counts_[expert] == 1;
    if (!is_single) donors_.push_back(expert);
    if (counts_[expert] < num_ranks_ &&
        (!is_single || single < kReceiversAtEachEnd ||
         single >= num_single - kReceiversAtEachEnd)) {
      receivers_.push_back(expert);
    }
    single += is_single ? 1 : 0;
  }
}

ReplicaCountSearch::Move ReplicaCountSearch::FindMove(
    CountsEvaluator& evaluator) {
  Move best;
  best.score = std::numeric_limits<double>::infinity();
  for (const int32_t to : on_loaded_rank_) {
    if (counts_[to] == num_ranks_) continue;
    for (const int32_t from : donors_) {
      if (Consider(from, to, evaluator, best)) return best;
    }
  }
  for (const int32_t from : on_loaded_rank_) {
    if (counts_[from] == 1) continue;
    for (const int32_t to : receivers_) {
      if (Consider(from, to, evaluator, best)) return best;
    }
  }
  return best;
}

bool ReplicaCountSearch::Consider(int32_t from, int32_t to,
                                  CountsEvaluator& evaluator, Move& best) {
  if (from == to) return false;
  const bool is_tabu =
      no_loss_before_[from] > step_ || no_gain_before_[to] > step_;
  const double limit =
      is_tabu ? std::min(best.score, current_score_) : best.score;
  double score = evaluator.BoundAfterMove(from, to);
  if (score < limit && evaluator.packing().slots_per_rank() > 2) {
    ++counts_[to];
    --counts_[from];
    score = PackAndScore(evaluator);
    --counts_[to];
    ++counts_[from];
  }
  if (score < limit) best = {from, to, score};
  return best.score < current_score_ || IsOver(evaluator);
}

}  // namespace eplb
