#include "eplb/state/background/background_options.h"

#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace eplb {

absl::Status BackgroundOptions::Validate() const {
  if (fence_margin < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("fence_margin ", fence_margin,
                     " must be at least 1: the step that a rank is at may have "
                     "passed on another"));
  }
  if (transfer_bytes_per_step < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("transfer_bytes_per_step ", transfer_bytes_per_step,
                     " must be at least 0, which is no limit"));
  }
  if (max_waiting_tasks < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_waiting_tasks ", max_waiting_tasks, " must be at least 1"));
  }
  for (const auto& [name, duration] :
       {std::make_pair("refill_interval", refill_interval),
        std::make_pair("operation_timeout", operation_timeout)}) {
    if (duration > std::chrono::nanoseconds(0)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name, " ", absl::FormatDuration(absl::FromChrono(duration)),
        " must be more than 0"));
  }
  return absl::OkStatus();
}

}  // namespace eplb
