#ifndef EPLB_POLICIES_LOAD_ORDER_RADIX_SORT_H_
#define EPLB_POLICIES_LOAD_ORDER_RADIX_SORT_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Sorts `keys` by their bits [first_bit, end_bit), smallest first; keys that
// agree there keep their order. `scratch` is resized as needed.
void RadixSort(int first_bit, int end_bit, std::vector<uint64_t>& keys,
               std::vector<uint64_t>& scratch);

}  // namespace eplb

#endif  // EPLB_POLICIES_LOAD_ORDER_RADIX_SORT_H_
