// BackgroundOptions: how background rearrangement paces itself.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_OPTIONS_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_OPTIONS_H_

#include <chrono>
#include <cstdint>

#include "absl/status/status.h"

namespace eplb {

// The same on all ranks, but for the timeout.
struct BackgroundOptions {
  // Steps from the one that a rank is at to its fence. More make a wait at the
  // fence rarer, and each switch later.
  int64_t fence_margin = 1;
  // What may be staged while the engine takes a step; 0 for no limit. Each
  // `refill_interval` without a step allows as much.
  int64_t transfer_bytes_per_step = int64_t{64} << 20;
  std::chrono::nanoseconds refill_interval = std::chrono::milliseconds(100);
  // Tasks of steps that may wait for the worker. When they are more, and while
  // the ranks cannot reach each other, the oldest are skipped, on all ranks.
  int max_waiting_tasks = 256;
  // Of each operation between ranks, and of a wait at the fence.
  std::chrono::nanoseconds operation_timeout = std::chrono::seconds(60);

  // InvalidArgument that names the field, its value and the limit.
  absl::Status Validate() const;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_OPTIONS_H_
