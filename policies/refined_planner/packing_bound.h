// What no packing of given replicas can pass.

#ifndef EPLB_POLICIES_REFINED_PLANNER_PACKING_BOUND_H_
#define EPLB_POLICIES_REFINED_PLANNER_PACKING_BOUND_H_

#include "absl/types/span.h"

namespace eplb {

// A lower limit of the largest rank load over all packings of replicas with
// these loads, in falling order and one for each slot, found without packing.
// With two slots per rank it is exact, unless pairing would bring two replicas
// of an expert together.
double PackingBound(absl::Span<const double> replica_loads, int slots_per_rank);

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_PACKING_BOUND_H_
