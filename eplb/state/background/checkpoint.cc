#include "eplb/state/background/checkpoint.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Why this rank's checkpoint ends the run; empty when it does not.
std::string ReasonToEnd(const Checkpoint& checkpoint,
                        int64_t staged_from_version) {
  if (checkpoint.wish == Checkpoint::kDrain) return "drains";
  if (checkpoint.wish == Checkpoint::kNoRoom) {
    return "has no room to stage: its serving thread gets to no switch";
  }
  if (checkpoint.weights_version != staged_from_version) {
    return "has other weights than before";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<Checkpoint>> GatherCheckpoints(
    const Checkpoint& mine, Communicator& control, SteadyTime deadline) {
  std::vector<Checkpoint> all(control.size());
  EPLB_RETURN_IF_ERROR(control.AllGather(
      {&mine, sizeof mine}, {all.data(), all.size() * sizeof mine}, deadline));
  return all;
}

GroupCheckpoint Combine(absl::Span<const Checkpoint> checkpoints,
                        int64_t staged_from_version) {
  GroupCheckpoint group;
  group.common_task = checkpoints[0].newest_task;
  for (size_t rank = 0; rank < checkpoints.size(); ++rank) {
    const Checkpoint& checkpoint = checkpoints[rank];
    const std::string reason = ReasonToEnd(checkpoint, staged_from_version);
    if (group.reason_to_end.empty() && !reason.empty()) {
      group.reason_to_end = absl::StrCat("rank ", rank, " ", reason);
    }
    group.is_short_of_room |= checkpoint.wish == Checkpoint::kNoRoom;
    group.common_task = std::min(group.common_task, checkpoint.newest_task);
    group.last_task_taken =
        std::max(group.last_task_taken, checkpoint.last_task_taken);
    group.latest_fence = std::max(group.latest_fence, checkpoint.fence);
    group.last_begin = std::max(group.last_begin, checkpoint.last_begin);
    group.last_drain = std::max(group.last_drain, checkpoint.last_drain);
  }
  return group;
}

}  // namespace eplb
