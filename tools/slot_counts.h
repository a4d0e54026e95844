// What the slots of a layer hold.

#ifndef EPLB_TOOLS_SLOT_COUNTS_H_
#define EPLB_TOOLS_SLOT_COUNTS_H_

#include "eplb/core/placement.h"

namespace eplb {

struct SlotCounts {
  // Of the expert that has the most.
  int most_replicas = 0;
  int empty_slots = 0;
  // Slots that hold an expert which another slot of the rank holds already.
  int duplicate_slots = 0;
};

// The slots of `placement` divide by `num_ranks`.
SlotCounts CountSlots(const Placement& placement, int num_ranks, int layer);

}  // namespace eplb

#endif  // EPLB_TOOLS_SLOT_COUNTS_H_
