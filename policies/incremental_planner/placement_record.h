#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_RECORD_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_RECORD_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// A placement worth keeping while others are tried.
struct PlacementRecord {
  explicit PlacementRecord(int num_slots) : slots(num_slots) {}

  void Take(const WorkingPlacement& placement) {
    std::copy(placement.slots().begin(), placement.slots().end(),
              slots.begin());
    moved_slots = placement.moved_slots();
    largest_rank_load = placement.largest_rank_load();
    exists = true;
  }

  std::vector<int32_t> slots;
  int moved_slots = 0;
  double largest_rank_load = 0.0;
  bool exists = false;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_RECORD_H_
