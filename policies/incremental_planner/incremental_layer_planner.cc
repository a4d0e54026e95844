#include "policies/incremental_planner/incremental_layer_planner.h"

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/balancedness_bound.h"
#include "policies/incremental_planner/balancing_attempt.h"

namespace eplb {
namespace {

// How far below the best possible balancedness a layer may stay: the last bit
// costs many moves and is lost again with the next tokens.
constexpr double kGapToBound = 0.002;

// Keeps a result above the target when its loads are summed in another order.
constexpr double kRoundingMargin = 1e-9;

// A layer with more than this part of its load above the limit is built anew:
// step by step it would take several times as long for nearly as many moves.
// Loads that drift from plan to plan misplace less than 0.1.
constexpr double kMisplacedToRebuild = 0.2;

// Bisection steps for the best balance within a limit of moves.
constexpr int kMoveLimitSteps = 6;

}  // namespace

IncrementalLayerPlanner::IncrementalLayerPlanner(int num_experts, int num_ranks,
                                                 int slots_per_rank,
                                                 IncrementalOptions options)
    : num_slots_(num_ranks * slots_per_rank),
      slots_per_rank_(slots_per_rank),
      options_(options),
      placement_(num_experts, num_ranks, slots_per_rank),
      attempt_(num_experts, num_ranks, slots_per_rank),
      completion_(num_experts, num_ranks, slots_per_rank),
      refined_(num_experts, num_ranks, slots_per_rank, RefinedOptions()),
      rank_naming_(num_experts, num_ranks, slots_per_rank),
      loads_(num_experts),
      current_(num_slots_),
      start_(num_slots_),
      rebuilt_(num_slots_),
      reached_(num_slots_),
      best_balance_(num_slots_) {
  incoming_.reserve(slots_per_rank);
}

void IncrementalLayerPlanner::PlanLayer(absl::Span<const int64_t> loads,
                                        absl::Span<const int32_t> current,
                                        absl::Span<int32_t> experts) {
  ScaleLoads(loads);
  std::copy(current.begin(), current.end(), current_.begin());
  std::copy(current.begin(), current.end(), start_.begin());
  if (!completion_.IsComplete(current_)) {
    completion_.Complete(loads_, absl::MakeSpan(start_));
  }
  placement_.Reset(loads_, start_, current_);
  best_balance_.Take(placement_);
  reached_.exists = false;
  const double wanted = WantedRankLoad(loads);
  if (best_balance_.largest_rank_load > wanted) Balance(loads, wanted);
  WriteResult(reached_.exists ? reached_ : best_balance_, experts);
}

// A layer without load counts as balanced: its loads stay 0.
void IncrementalLayerPlanner::ScaleLoads(absl::Span<const int64_t> loads) {
  double total = 0.0;
  for (const int64_t load : loads) total += static_cast<double>(load);
  const double mean = total / placement_.num_ranks();
  for (int expert = 0; expert < placement_.num_experts(); ++expert) {
    loads_[expert] =
        total > 0.0 ? static_cast<double>(loads[expert]) / mean : 0.0;
  }
}

double IncrementalLayerPlanner::WantedRankLoad(
    absl::Span<const int64_t> loads) const {
  const double bound =
      1.0 / BalancednessBound(loads, num_slots_, placement_.num_ranks());
  return std::max(1.0 / options_.target_balancedness,
                  bound / (1.0 - kGapToBound));
}

void IncrementalLayerPlanner::Balance(absl::Span<const int64_t> loads,
                                      double wanted) {
  const double limit = wanted * (1.0 - kRoundingMargin);
  // What completing the placement took comes before the limit.
  move_limit_ = options_.max_moves > 0
                    ? std::max(options_.max_moves, placement_.moved_slots())
                    : num_slots_;
  const bool may_rebuild = move_limit_ >= num_slots_;
  const bool is_far = may_rebuild && Misplaced(limit) > kMisplacedToRebuild;
  if (!is_far && Attempt(limit, move_limit_)) return;
  if (!may_rebuild) {
    BalanceWithinMoveLimit(limit);
    return;
  }
  if (!Rebuild(loads, limit)) SettleForBestBalance();
}

double IncrementalLayerPlanner::Misplaced(double limit) const {
  double excess = 0.0;
  for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
    excess += std::max(placement_.rank_load(rank) - limit, 0.0);
  }
  return excess / placement_.num_ranks();
}

// On success `reached_` has the result.
bool IncrementalLayerPlanner::Attempt(double limit, int max_moves) {
  reached_.exists =
      attempt_.Run({.largest_rank_load = limit, .max_moves = max_moves},
                   placement_, best_balance_);
  if (reached_.exists) reached_.Take(placement_);
  return reached_.exists;
}

// An attempt lowers the sum of all overloads. How low a limit on rank load can
// be met with the moves there are is found by bisection.
void IncrementalLayerPlanner::BalanceWithinMoveLimit(double limit) {
  double low = limit;
  for (int i = 0; i < kMoveLimitSteps; ++i) {
    const double middle = (low + best_balance_.largest_rank_load) / 2;
    placement_.Reset(loads_, start_, current_);
    const BalancingAttempt::Goal goal = {.largest_rank_load = middle,
                                         .max_moves = move_limit_};
    if (!attempt_.Run(goal, placement_, best_balance_)) low = middle;
  }
}

// Nearly every slot of a layer that is built anew has moved; an attempt that
// begins at its goal takes most of those moves back.
bool IncrementalLayerPlanner::Rebuild(absl::Span<const int64_t> loads,
                                      double limit) {
  refined_.PlanLayer(loads, {}, absl::MakeSpan(rebuilt_));
  rank_naming_.MeetAgain(current_, absl::MakeSpan(rebuilt_));
  placement_.Reset(loads_, rebuilt_, current_);
  const double largest = placement_.largest_rank_load();
  if (largest < best_balance_.largest_rank_load) best_balance_.Take(placement_);
  return largest <= limit && Attempt(limit, move_limit_);
}

// The goal is out of reach, so the best balance found becomes the goal, less
// the same small gap: perhaps fewer moves lead there.
void IncrementalLayerPlanner::SettleForBestBalance() {
  const double limit = best_balance_.largest_rank_load / (1.0 - kGapToBound);
  const int max_moves = best_balance_.moved_slots - 1;
  placement_.Reset(loads_, start_, current_);
  if (Attempt(limit, max_moves)) return;
  placement_.Reset(loads_, rebuilt_, current_);
  if (placement_.largest_rank_load() <= limit) Attempt(limit, max_moves);
}

// Experts that stay on a rank keep their slots.
void IncrementalLayerPlanner::WriteResult(const PlacementRecord& result,
                                          absl::Span<int32_t> experts) {
  for (int first = 0; first < num_slots_; first += slots_per_rank_) {
    const int end = first + slots_per_rank_;
    incoming_.clear();
    for (int slot = first; slot < end; ++slot) {
      const bool stays = result.slots[slot] == current_[slot];
      experts[slot] = stays ? current_[slot] : -1;
      if (!stays) incoming_.push_back(result.slots[slot]);
    }
    if (incoming_.empty()) continue;
    for (int slot = first; slot < end; ++slot) {
      if (experts[slot] >= 0) continue;
      const auto it =
          std::find(incoming_.begin(), incoming_.end(), current_[slot]);
      if (it == incoming_.end()) continue;
      experts[slot] = *it;
      incoming_.erase(it);
    }
    for (int slot = first; slot < end; ++slot) {
      if (experts[slot] >= 0) continue;
      experts[slot] = incoming_.back();
      incoming_.pop_back();
    }
  }
}

}  // namespace eplb
