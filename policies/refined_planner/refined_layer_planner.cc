#include "policies/refined_planner/refined_layer_planner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/balancedness_bound.h"

namespace eplb {
namespace {

// Caps are tried from the largest down, by this factor at least: finer steps
// seldom change the counts in a way that matters.
constexpr double kCapStep = 0.97;

// What takes the largest replica under a cap that just allows it, past
// rounding.
constexpr double kJustBelow = 0.999;

// Counts whose hot ranks would have to be filled to within this share of the
// wanted load pack with difficulty: others are tried first.
constexpr double kComfortable = 0.995;

// Once a layer is within this many wanted gaps, a search over counts costs more
// than it gains.
constexpr double kNearEnough = 2.0;

// A walk over counts that leads nowhere must leave work for others.
constexpr int64_t kWalksPerBudget = 4;

// Walks from different starts. Further ones have not been seen to find better
// counts, and short walks would use them all up.
constexpr int kMaxWalks = 7;

}  // namespace

RefinedLayerPlanner::RefinedLayerPlanner(int num_experts, int num_ranks,
                                         int slots_per_rank,
                                         RefinedOptions options)
    : num_experts_(num_experts),
      num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      num_slots_(num_ranks * slots_per_rank),
      options_(options),
      equal_loads_(num_experts, 1),
      chooser_(num_ranks),
      evaluator_(num_ranks, slots_per_rank),
      exhaustive_search_(num_ranks),
      count_search_(num_experts, num_ranks) {}

void RefinedLayerPlanner::PlanLayer(absl::Span<const int64_t> loads,
                                    absl::Span<const int32_t>,
                                    absl::Span<int32_t> experts) {
  // Without load every placement is as good: spread the replicas evenly.
  if (std::all_of(loads.begin(), loads.end(),
                  [](int64_t load) { return load == 0; })) {
    loads = equal_loads_;
  }
  layer_experts_.Assign(loads);
  if (slots_per_rank_ >= num_experts_) {
    FillAlike(experts);
    return;
  }
  const double smallest_cap = SmallestLargestReplicaLoad(loads, num_slots_);
  const double reachable =
      std::max(layer_experts_.total_load() / num_ranks_, smallest_cap);
  wanted_rank_load_ = reachable / (1.0 - options_.wanted_gap);
  evaluator_.StartLayer(layer_experts_, wanted_rank_load_,
                        options_.max_evaluations);

  // What the `greedy` policy does comes first, so that the result is never
  // worse. With one slot per rank it is the best there is.
  chooser_.FillMinMax(layer_experts_, num_slots_, smallest_cap, counts_);
  evaluator_.Pack(counts_, wanted_rank_load_);
  if (slots_per_rank_ > 1 && !evaluator_.IsDone()) {
    postponed_.clear();
    ScanCaps(SpareSlots::kToColdest, wanted_rank_load_, smallest_cap);
    ScanCaps(SpareSlots::kToColdest, evaluator_.best_load(), wanted_rank_load_);
    ScanCaps(SpareSlots::kToHottest, evaluator_.best_load(), smallest_cap);
    ScanCaps(SpareSlots::kHalfToEach, evaluator_.best_load(), smallest_cap);
    PackPostponed();
    if (evaluator_.best_load() * (1.0 - kNearEnough * options_.wanted_gap) >
        reachable) {
      SearchCounts();
    }
  }
  std::copy(evaluator_.best_placement().begin(),
            evaluator_.best_placement().end(), experts.begin());
}

// With as many slots per rank as experts, or more, ranks that hold the same
// carry the same: a perfect balance, and duplicates only where slots are left.
void RefinedLayerPlanner::FillAlike(absl::Span<int32_t> experts) const {
  for (size_t slot = 0; slot < experts.size(); ++slot) {
    const size_t position = slot % static_cast<size_t>(slots_per_rank_);
    experts[slot] = layer_experts_.by_falling_load()[position % num_experts_];
  }
}

// Counts that make the largest replica as small as possible make many replicas
// of a middling size, of which two do not fit on one rank and one leaves a gap.
// Fewer and larger ones, with ranks filled up by the coldest replicas, often
// pack perfectly.
void RefinedLayerPlanner::ScanCaps(SpareSlots spare, double cap,
                                   double smallest_cap) {
  while (cap > smallest_cap && !evaluator_.IsDone()) {
    if (!chooser_.FillUnderCap(layer_experts_, num_slots_, cap, spare,
                               counts_)) {
      return;
    }
    const double bound = evaluator_.Bound(counts_);
    if (spare == SpareSlots::kToColdest &&
        bound <= kComfortable * wanted_rank_load_) {
      evaluator_.Pack(counts_, wanted_rank_load_);
    } else {
      postponed_.push_back({bound, cap, spare});
    }
    cap = std::min(kCapStep * cap, kJustBelow * evaluator_.largest_replica());
  }
}

void RefinedLayerPlanner::PackPostponed() {
  std::sort(postponed_.begin(), postponed_.end(),
            [](const Candidate& a, const Candidate& b) {
              if (a.bound != b.bound) return a.bound < b.bound;
              if (a.spare != b.spare) return a.spare < b.spare;
              return a.cap > b.cap;
            });
  for (const Candidate& candidate : postponed_) {
    if (evaluator_.IsDone() || candidate.bound >= evaluator_.best_load()) {
      return;
    }
    chooser_.FillUnderCap(layer_experts_, num_slots_, candidate.cap,
                          candidate.spare, counts_);
    evaluator_.Pack(counts_, evaluator_.best_load());
  }
}

void RefinedLayerPlanner::SearchCounts() {
  if (evaluator_.IsDone() ||
      exhaustive_search_.Run(layer_experts_, num_slots_, evaluator_)) {
    return;
  }
  const int64_t max_evaluations = options_.max_evaluations / kWalksPerBudget;
  count_search_.Run(layer_experts_, evaluator_.best_counts(), max_evaluations,
                    evaluator_);
  int walks_left = kMaxWalks - 1;
  for (const Candidate& candidate : postponed_) {
    if (evaluator_.IsDone() || walks_left-- == 0) return;
    chooser_.FillUnderCap(layer_experts_, num_slots_, candidate.cap,
                          candidate.spare, counts_);
    count_search_.Run(layer_experts_, counts_, max_evaluations, evaluator_);
  }
}

}  // namespace eplb
