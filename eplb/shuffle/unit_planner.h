// PlanUnits: cuts the way from one placement to another into transactions that
// fit into staging.

#ifndef EPLB_SHUFFLE_UNIT_PLANNER_H_
#define EPLB_SHUFFLE_UNIT_PLANNER_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"

namespace eplb {

struct UnitLimits {
  int max_rows = 1;  // Of staging, on every rank.
  // That one unit may write on its busiest rank; a layer alone may write more.
  int64_t max_switch_bytes = 0;
  size_t row_bytes = 0;  // Of a row of staging, for messages.
};

// The units for `rank` of `topology`, in the order they are to be run; none for
// a layer that does not change. `bytes_per_expert` is by layer. Errors are
// those of TransferPlan, and ResourceExhausted, with the bytes needed, for a
// layer that does not even go in pieces. Equal arguments, but for the rank,
// give units that fit each other.
absl::StatusOr<ShuffleUnits> PlanUnits(
    const Placement& before, const Placement& after, const Topology& topology,
    int rank, absl::Span<const size_t> bytes_per_expert,
    const UnitLimits& limits);

}  // namespace eplb

#endif  // EPLB_SHUFFLE_UNIT_PLANNER_H_
