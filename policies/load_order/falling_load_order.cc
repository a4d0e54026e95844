#include "policies/load_order/falling_load_order.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>

#include "absl/types/span.h"
#include "policies/load_order/key_sort_avx512.h"
#include "policies/load_order/radix_sort.h"

namespace eplb {

absl::Span<const int32_t> FallingLoadOrder::Sort(
    absl::Span<const int64_t> loads) {
  const size_t n = loads.size();
  order_.resize(n);
  const int64_t hottest = *std::max_element(loads.begin(), loads.end());
  const int load_bits = std::bit_width(static_cast<uint64_t>(hottest));
  const int index_bits = std::bit_width(n);
  if (load_bits + index_bits > 64) {
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [loads](int32_t a, int32_t b) {
      return loads[a] != loads[b] ? loads[a] > loads[b] : a < b;
    });
    return order_;
  }
  // One word holds how far an expert is below the hottest, and its index.
  keys_.resize(n);
  for (size_t expert = 0; expert < n; ++expert) {
    keys_[expert] =
        static_cast<uint64_t>(hottest - loads[expert]) << index_bits | expert;
  }
  SortKeys(index_bits, index_bits + load_bits);
  const uint64_t index_mask = (uint64_t{1} << index_bits) - 1;
  for (size_t i = 0; i < n; ++i) {
    order_[i] = static_cast<int32_t>(keys_[i] & index_mask);
  }
  return order_;
}

void FallingLoadOrder::SortKeys(int first_bit, int end_bit) {
  const size_t padded_size = std::max<size_t>(8, std::bit_ceil(keys_.size()));
  if (use_avx512_ && padded_size <= kMaxKeysAvx512) {
    keys_.resize(padded_size, std::numeric_limits<uint64_t>::max());
    SortKeysAvx512(absl::MakeSpan(keys_));
  } else {
    RadixSort(first_bit, end_bit, keys_, scratch_);
  }
}

}  // namespace eplb
