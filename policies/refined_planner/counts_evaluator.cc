#include "policies/refined_planner/counts_evaluator.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "policies/refined_planner/packing_bound.h"

namespace eplb {
namespace {

// Measured in evaluations: to list the replicas of given counts, and to pack
// them.
constexpr int64_t kListCost = 4;
constexpr int64_t kPackCost = 12;

// Exchanges gain a percent or two: on a packing further away they would only
// take time.
constexpr double kPromising = 1.02;

}  // namespace

CountsEvaluator::CountsEvaluator(int num_ranks, int slots_per_rank)
    : num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      packing_(num_ranks, slots_per_rank),
      swaps_(num_ranks),
      best_placement_(static_cast<size_t>(num_ranks) * slots_per_rank) {}

void CountsEvaluator::StartLayer(const LayerExperts& experts,
                                 double wanted_rank_load,
                                 int64_t max_evaluations) {
  experts_ = &experts;
  wanted_rank_load_ = wanted_rank_load;
  evaluations_left_ = max_evaluations;
  best_load_ = std::numeric_limits<double>::infinity();
}

double CountsEvaluator::Bound(absl::Span<const int32_t> counts) {
  evaluations_left_ -= kListCost;
  replicas_.Assign(*experts_, counts);
  return PackingBound(replicas_.loads(), slots_per_rank_);
}

PackedLoad CountsEvaluator::Pack(absl::Span<const int32_t> counts,
                                 double promising_load) {
  evaluations_left_ -= kListCost + kPackCost;
  replicas_.Assign(*experts_, counts);
  packing_.Pack(replicas_);
  double load = packing_.rank_load(packing_.MostLoadedRank());
  if (load > wanted_rank_load_ && load <= kPromising * promising_load) {
    swaps_.Improve(packing_, wanted_rank_load_, evaluations_left_);
    load = packing_.rank_load(packing_.MostLoadedRank());
  }
  if (load < best_load_) {
    best_load_ = load;
    best_counts_.assign(counts.begin(), counts.end());
    packing_.CopyTo(absl::MakeSpan(best_placement_));
  }
  PackedLoad packed = {load, 0.0};
  for (int rank = 0; rank < num_ranks_; ++rank) {
    packed.excess +=
        std::max(0.0, packing_.rank_load(rank) - wanted_rank_load_);
  }
  return packed;
}

void CountsEvaluator::SetMoveBase(absl::Span<const int32_t> counts) {
  base_counts_.assign(counts.begin(), counts.end());
  base_loads_.assign(replicas_.loads().begin(), replicas_.loads().end());
}

double CountsEvaluator::BoundAfterMove(int from, int to) {
  --evaluations_left_;
  const absl::Span<const double> moved =
      moved_loads_.Move(base_loads_, {experts_->load(from), base_counts_[from]},
                        {experts_->load(to), base_counts_[to]});
  return PackingBound(moved, slots_per_rank_);
}

}  // namespace eplb
