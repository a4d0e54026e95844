#ifndef EPLB_POLICIES_LOAD_ORDER_FALLING_LOAD_ORDER_H_
#define EPLB_POLICIES_LOAD_ORDER_FALLING_LOAD_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Sorts experts by falling load; a tie goes to the lower index.
// Thread-compatible.
class FallingLoadOrder {
 public:
  explicit FallingLoadOrder(bool use_avx512) : use_avx512_(use_avx512) {}

  // Returns the indices of `loads` (each in [0, 2^53]) in that order. The
  // result lives until the next call.
  absl::Span<const int32_t> Sort(absl::Span<const int64_t> loads);

 private:
  // Sorts keys_, which differ in the bits [first_bit, end_bit).
  void SortKeys(int first_bit, int end_bit);

  bool use_avx512_;
  std::vector<uint64_t> keys_;
  std::vector<uint64_t> scratch_;
  std::vector<int32_t> order_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_LOAD_ORDER_FALLING_LOAD_ORDER_H_
