// Keeps experts where they are: what a new placement shares with the current
// one costs nothing to move.

#ifndef EPLB_POLICIES_SLOT_RETENTION_H_
#define EPLB_POLICIES_SLOT_RETENTION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {

// Reorders the slots of each rank of `experts` ([layers, slots] row-major,
// entries valid for `current`) so that an expert that stays on its rank keeps
// the slot it has in `current`. Experts that are new to a rank fill the other
// slots in the order they had.
void KeepSlots(const Placement& current, int slots_per_rank,
               absl::Span<int32_t> experts);

// The slots of one layer whose expert was on another rank, or nowhere, before.
// Both spans hold the expert of each slot.
int CountMovedSlots(absl::Span<const int32_t> before,
                    absl::Span<const int32_t> after, int slots_per_rank);

}  // namespace eplb

#endif  // EPLB_POLICIES_SLOT_RETENTION_H_
