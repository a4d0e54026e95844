// PacedCopy: touches the callers' memory in steps, between which it notices a
// failure of the channel and the deadline.
//
//   PacedCopy paced(channel, deadline);
//   EPLB_RETURN_IF_ERROR(paced.Copy(to, from, num_bytes));

#ifndef EPLB_COLLECTIVES_PACED_COPY_H_
#define EPLB_COLLECTIVES_PACED_COPY_H_

#include <cstddef>

#include "absl/status/status.h"
#include "collectives/in_process_channel.h"
#include "eplb/core/clock.h"

namespace eplb {

// For use inside InProcessChannel::Copy. Thread-compatible.
class PacedCopy {
 public:
  // Copied between looks at whether another rank has failed or time is up.
  // Small against what a deadline is about, large against what a look costs.
  static constexpr size_t kBytesPerLook = 256 << 10;

  // `channel` outlives it.
  PacedCopy(const InProcessChannel& channel, SteadyTime deadline)
      : channel_(channel), deadline_(deadline) {}

  // The two do not overlap, unless they are the same.
  absl::Status Copy(void* to, const void* from, size_t num_bytes);

  // Takes account of work that took about as long as copying `num_bytes`.
  absl::Status Count(size_t num_bytes);

 private:
  const InProcessChannel& channel_;
  const SteadyTime deadline_;
  size_t bytes_since_look_ = 0;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_PACED_COPY_H_
