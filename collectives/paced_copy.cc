#include "collectives/paced_copy.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::Status PacedCopy::Copy(void* to, const void* from, size_t num_bytes) {
  // Its own place: nothing to do, and memcpy wants distinct memory.
  if (to == from) return absl::OkStatus();
  for (size_t done = 0; done < num_bytes;) {
    const size_t step = std::min(num_bytes - done, kBytesPerLook);
    std::memcpy(static_cast<std::byte*>(to) + done,
                static_cast<const std::byte*>(from) + done, step);
    done += step;
    EPLB_RETURN_IF_ERROR(Count(step));
  }
  return absl::OkStatus();
}

absl::Status PacedCopy::Count(size_t num_bytes) {
  bytes_since_look_ += num_bytes;
  if (bytes_since_look_ < kBytesPerLook) return absl::OkStatus();
  bytes_since_look_ = 0;
  if (channel_.has_failed()) {
    return absl::CancelledError("another rank has failed");
  }
  if (channel_.clock().Now() >= deadline_) {
    return absl::DeadlineExceededError(
        absl::StrCat(channel_.name(), ": the deadline passed while copying"));
  }
  return absl::OkStatus();
}

}  // namespace eplb
