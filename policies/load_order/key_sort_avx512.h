#ifndef EPLB_POLICIES_LOAD_ORDER_KEY_SORT_AVX512_H_
#define EPLB_POLICIES_LOAD_ORDER_KEY_SORT_AVX512_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// The most keys that SortKeysAvx512() should be given: its work grows with
// n * log(n)^2, and about here a radix sort overtakes it.
inline constexpr size_t kMaxKeysAvx512 = 1024;

// Sorts `keys`, smallest first. Their number is a power of two of at least 8.
// Requires CpuHasAvx512().
void SortKeysAvx512(absl::Span<uint64_t> keys);

}  // namespace eplb

#endif  // EPLB_POLICIES_LOAD_ORDER_KEY_SORT_AVX512_H_
