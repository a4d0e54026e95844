// JoiningState: what a group tells ranks that join it, before they know
// anything: sent by rank 0, checked by who receives it.

#ifndef EPLB_STATE_JOINING_STATE_H_
#define EPLB_STATE_JOINING_STATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/placement.h"
#include "eplb/state/group.h"

namespace eplb {

struct JoiningState {
  static constexpr int kMaxModels = 64;

  struct ModelState {
    uint64_t name_hash = 0;
    int64_t num_layers = 0;
    int64_t num_logical_experts = 0;
    int64_t num_expert_groups = 0;
    // Of the group that grows, before it does.
    int64_t num_old_slots = 0;
    int64_t slots_per_rank = 0;
  };

  int64_t forward_id = 0;
  int64_t rearrangement_step = 0;
  bool execute_shuffle = false;
  // Rank 0 was given loads to plan from; else those of the windows are.
  bool loads_are_given = false;
  std::vector<ModelState> models;
  // As the slots of the new group hold it; those of new ranks are empty.
  std::vector<Placement> placements;

  // InvalidArgument, naming what is out of range, unless a group of `num_ranks`
  // may have such models. Looks at everything but the placements.
  absl::Status Validate(int num_ranks, int64_t step_interval) const;
};

// On rank 0, which has the state, and on all others, which are given it. What
// is received is range-checked before memory is taken for it.
absl::StatusOr<JoiningState> ShareJoiningState(JoiningState mine, Group& group,
                                               int64_t step_interval);

}  // namespace eplb

#endif  // EPLB_STATE_JOINING_STATE_H_
