// TextbookPolicy: the published greedy algorithm as a careful programmer would
// write it on a first day: a priority queue to give out replicas, a sort, and a
// priority queue to pack them. The yardstick for planning times.

#ifndef EPLB_BENCHMARKS_TEXTBOOK_POLICY_H_
#define EPLB_BENCHMARKS_TEXTBOOK_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"

namespace eplb {

// Thread-compatible.
class TextbookLayerPlanner final : public LayerPlanner {
 public:
  explicit TextbookLayerPlanner(int num_ranks) : num_ranks_(num_ranks) {}

  // Also makes the two other tables that the published algorithm returns:
  // replica counts and the slots of each expert.
  void PlanLayer(absl::Span<const int64_t> loads,
                 absl::Span<const int32_t> current,
                 absl::Span<int32_t> experts) override;

 private:
  const int num_ranks_;
  std::vector<int32_t> replica_counts_;
  std::vector<std::vector<int32_t>> slots_of_expert_;
};

// Thread-safe.
class TextbookPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_TEXTBOOK_POLICY_H_
