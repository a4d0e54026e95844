// What no placement of a layer can pass.
//
// However the slots are given out, some rank carries at least the mean rank
// load, and at least one replica of the expert whose replicas are the largest.
//
//   SmallestLargestReplicaLoad  the largest replica load of the best counts
//   SmallestReplicaCount        the replicas that keep an expert under a cap
//   BalancednessBound           the same limit, as a balancedness
//
// Thread-safe: the functions keep no state.

#ifndef EPLB_POLICIES_BALANCEDNESS_BOUND_H_
#define EPLB_POLICIES_BALANCEDNESS_BOUND_H_

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// The smallest t for which sum over experts of max(1, ceil(load / t)) is at
// most `num_slots`. It is always load / count of some expert, and is returned
// as that quotient, rounded once. Loads are in [0, 2^53]; `num_slots` is at
// least the number of experts. 0 when there are no loads.
double SmallestLargestReplicaLoad(absl::Span<const int64_t> loads,
                                  int64_t num_slots);

// The fewest replicas (at least one) of an expert of this load with no replica
// above `cap`. `cap` is positive.
inline int64_t SmallestReplicaCount(double load, double cap) {
  if (load <= cap) return 1;
  int64_t count = static_cast<int64_t>(load / cap);
  // The rounded quotient may land on either side of a whole number, so the
  // replica loads themselves decide.
  if (count > 1 && load / static_cast<double>(count - 1) <= cap) --count;
  while (load / static_cast<double>(count) > cap) ++count;
  return count;
}

// The balancedness (mean rank load / largest rank load) that no placement on
// `num_ranks` ranks can pass: 1 for a layer without load.
double BalancednessBound(absl::Span<const int64_t> loads, int64_t num_slots,
                         int64_t num_ranks);

}  // namespace eplb

#endif  // EPLB_POLICIES_BALANCEDNESS_BOUND_H_
