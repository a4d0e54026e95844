#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_AVX512_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_AVX512_H_

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// The most bins that fit in the registers.
inline constexpr int kMaxBinsAvx512 = 64;

// The same as BalancedPacker::Pack(), to the bit, for up to kMaxBinsAvx512
// bins. Requires CpuHasAvx512().
void PackBalancedAvx512(absl::Span<const double> falling_weights, int num_bins,
                        int bin_capacity, absl::Span<int32_t> places);

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_BALANCED_PACKING_AVX512_H_
