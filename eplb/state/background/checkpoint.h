// Checkpoint: what the workers tell each other between the units of a run, so
// that all of them go on, or stop, alike.

#ifndef EPLB_STATE_BACKGROUND_CHECKPOINT_H_
#define EPLB_STATE_BACKGROUND_CHECKPOINT_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// Of one rank. Travels as it is.
struct Checkpoint {
  enum Wish : int64_t { kGoOn = 0, kDrain = 1, kNoRoom = 2 };
  // Ranks may drain before their first step, whatever its number.
  static constexpr int64_t kNeverDrained = std::numeric_limits<int64_t>::min();

  int64_t wish = kGoOn;
  // Changes of weights that this rank's engine has told of.
  int64_t weights_version = 0;
  // The last step with a task that this rank has ordered, and has begun.
  int64_t newest_task = -1;
  int64_t last_task_taken = -1;
  // The rank's fence, and the steps at which its last run began and after which
  // it has drained last, for a closing.
  int64_t fence = 0;
  int64_t last_begin = -1;
  int64_t last_drain = kNeverDrained;
};

// In rank order.
absl::StatusOr<std::vector<Checkpoint>> GatherCheckpoints(
    const Checkpoint& mine, Communicator& control, SteadyTime deadline);

// The same on all ranks; `checkpoints` is not empty.
struct GroupCheckpoint {
  // Why the run ends here, in words; empty when it goes on.
  std::string reason_to_end;
  // Some rank has no room, which is a failure; the other reasons are wishes.
  bool is_short_of_room = false;
  // Every rank has ordered the tasks of steps up to this.
  int64_t common_task = -1;
  // Some rank has begun the task of this step.
  int64_t last_task_taken = -1;
  int64_t latest_fence = 0;
  int64_t last_begin = -1;
  int64_t last_drain = Checkpoint::kNeverDrained;
};

GroupCheckpoint Combine(absl::Span<const Checkpoint> checkpoints,
                        int64_t staged_from_version);

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_CHECKPOINT_H_
