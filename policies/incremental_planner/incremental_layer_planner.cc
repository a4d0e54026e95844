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

// How many ways to the goal are tried, and how many evaluations per slot may
// be spent in total before another one is begun. Two ways save about one move
// in fifty compared with one, further ones ever less.
constexpr int kMaxAttempts = 4;
constexpr int64_t kEvaluationsPerSlot = 100;

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
      fewest_moves_(num_slots_),
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
  fewest_moves_.exists = false;
  const double wanted = WantedRankLoad(loads);
  if (best_balance_.largest_rank_load > wanted) Balance(loads, wanted);
  WriteResult(fewest_moves_.exists ? fewest_moves_ : best_balance_, experts);
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
  TryChanges(limit);
  if (!fewest_moves_.exists && move_limit_ < num_slots_) {
    BalanceWithinMoveLimit(limit);
  }
  // Nearly every slot of a layer that is built anew may have moved.
  if (!fewest_moves_.exists && move_limit_ >= num_slots_) {
    Rebuild(loads, limit);
    if (!fewest_moves_.exists) SettleForBestBalance();
  }
}

void IncrementalLayerPlanner::TryChanges(double limit) {
  const int64_t before = attempt_.evaluations();
  for (int i = 0; i < kMaxAttempts; ++i) {
    const bool reached = fewest_moves_.exists;
    const BalancingAttempt::Goal goal = {
        .largest_rank_load = limit,
        .max_moves = reached ? fewest_moves_.moved_slots - 1 : move_limit_,
        .variant = i,
        .give_up_early = reached};
    if (i > 0) placement_.Reset(loads_, start_, current_);
    if (attempt_.Run(goal, placement_, best_balance_)) {
      fewest_moves_.Take(placement_);
    }
    const int64_t spent = attempt_.evaluations() - before;
    const int64_t next = spent / (i + 1);
    if (spent + next > kEvaluationsPerSlot * num_slots_) break;
  }
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

void IncrementalLayerPlanner::Rebuild(absl::Span<const int64_t> loads,
                                      double limit) {
  refined_.PlanLayer(loads, {}, absl::MakeSpan(rebuilt_));
  rank_naming_.MeetAgain(current_, absl::MakeSpan(rebuilt_));
  placement_.Reset(loads_, rebuilt_, current_);
  if (placement_.largest_rank_load() < best_balance_.largest_rank_load) {
    best_balance_.Take(placement_);
  }
  const BalancingAttempt::Goal goal = {.largest_rank_load = limit,
                                       .max_moves = move_limit_};
  if (attempt_.Run(goal, placement_, best_balance_)) {
    fewest_moves_.Take(placement_);
  }
}

// The goal is out of reach, so the best balance found becomes the goal, less
// the same small gap: perhaps fewer moves lead there.
void IncrementalLayerPlanner::SettleForBestBalance() {
  placement_.Reset(loads_, start_, current_);
  const BalancingAttempt::Goal goal = {
      .largest_rank_load =
          best_balance_.largest_rank_load / (1.0 - kGapToBound),
      .max_moves = best_balance_.moved_slots - 1};
  if (attempt_.Run(goal, placement_, best_balance_)) {
    fewest_moves_.Take(placement_);
  }
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
