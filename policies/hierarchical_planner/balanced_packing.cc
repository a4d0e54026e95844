#include "policies/hierarchical_planner/balanced_packing.h"

#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/hierarchical_planner/balanced_packing_avx512.h"
#include "policies/winner_tree.h"

namespace eplb {

void BalancedPacker::Pack(absl::Span<const double> falling_weights,
                          int num_bins, int bin_capacity,
                          absl::Span<int32_t> places) {
  if (use_avx512_ && num_bins <= kMaxBinsAvx512) {
    PackBalancedAvx512(falling_weights, num_bins, bin_capacity, places);
    return;
  }
  tree_.Reset(num_bins);
  next_place_.resize(num_bins);
  for (int bin = 0; bin < num_bins; ++bin) {
    next_place_[bin] = bin * bin_capacity;
    tree_.SetKey(bin, 0);
  }
  // Until every bin has an item the first empty one is the least loaded, as
  // long as items weigh something.
  size_t item = 0;
  while (item < static_cast<size_t>(num_bins) && falling_weights[item] > 0) {
    places[item] = next_place_[item]++;
    tree_.SetKey(item, std::bit_cast<uint64_t>(falling_weights[item]));
    ++item;
  }
  tree_.PlayAll();
  for (; item < falling_weights.size(); ++item) {
    const int32_t bin = tree_.winner();
    // The bits of a double >= 0, read as an integer, rise with it.
    const double load =
        std::bit_cast<double>(tree_.winning_key()) + falling_weights[item];
    places[item] = next_place_[bin]++;
    const bool is_full = next_place_[bin] == (bin + 1) * bin_capacity;
    tree_.Replay(bin, is_full ? tree_.kOut : std::bit_cast<uint64_t>(load));
  }
}

}  // namespace eplb
