#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/winner_tree.h"

namespace eplb {

// Packs items into bins that hold the same number of items each: every item
// goes to the least loaded bin that has room, the first such bin on a tie.
// Thread-compatible.
class BalancedPacker {
 public:
  explicit BalancedPacker(bool use_avx512) : use_avx512_(use_avx512) {}

  // `falling_weights` are the items' weights (finite, >= 0), largest first;
  // there are num_bins * bin_capacity of them. Writes for each item its bin *
  // bin_capacity + its place in the bin, in order of arrival.
  void Pack(absl::Span<const double> falling_weights, int num_bins,
            int bin_capacity, absl::Span<int32_t> places);

 private:
  bool use_avx512_;
  WinnerTree<uint64_t> tree_;
  std::vector<int32_t> next_place_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_H_
