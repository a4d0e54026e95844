#include "eplb/state/background/background_rearrangement.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/agreed_units.h"
#include "kernels/device.h"

namespace eplb {

absl::Status BackgroundRearrangement::Pass(int64_t forward_id, Stream& stream,
                                           PublishSwitch publish) {
  EPLB_RETURN_IF_ERROR(failed_drain_);
  const SteadyTime begin = parts_.dependencies.clock->Now();
  const absl::StatusOr<std::vector<int64_t>> due =
      parts_.fence.Pass(forward_id, begin + parts_.options.operation_timeout);
  absl::Status status = due.status();
  if (due.ok()) {
    for (const int64_t number : *due) {
      status.Update(SwitchUnit(number, stream, publish));
    }
    parts_.budget.Refill();
  }
  stalls_.Add(parts_.dependencies.clock->Now() - begin);
  return status;
}

absl::Status BackgroundRearrangement::SwitchUnit(int64_t number, Stream& stream,
                                                 PublishSwitch publish) {
  const AgreedUnit agreed = parts_.agreed.Find(number);
  absl::Status status;
  if (agreed.unit == nullptr) {
    parts_.orders.EndRun(agreed.closing, agreed.last_begin);
  } else {
    WeightShuffler& shuffler =
        *parts_.dependencies.models[agreed.model].shuffler;
    if (agreed.weights_version != parts_.orders.weights_version()) {
      // Staged from weights that are no more, on every rank.
      status = shuffler.Withdraw(*agreed.unit);
    } else {
      status = shuffler.Switch(
          *agreed.unit, stream,
          [&](const ShuffleUnit& unit) { return publish(agreed.model, unit); });
    }
  }
  if (!status.ok()) {
    // There is no way back behind an agreement: this rank is of no use.
    parts_.fence.Break(status);
    worker_.Stop();
  }
  parts_.agreed.Remove(number);
  parts_.fence.Switched(number);
  return status;
}

void BackgroundRearrangement::TellSlowWait(int64_t step,
                                           std::chrono::nanoseconds waited) {
  if (!parts_.dependencies.on_slow_wait) return;
  parts_.dependencies.on_slow_wait(step, waited, worker_.SilentRanks());
}

absl::Status BackgroundRearrangement::TakeFailure() {
  // An operation may take its timeout, and be noticed a little later.
  const std::chrono::nanoseconds limit =
      parts_.options.operation_timeout + parts_.options.operation_timeout / 6;
  const absl::Status stuck = parts_.progress.CheckNotStuck(limit);
  if (!stuck.ok()) parts_.TellFailure(parts_.fence.passed(), stuck);
  absl::Status status = parts_.orders.TakeFailure();
  status.Update(stuck);
  return status;
}

absl::Status BackgroundRearrangement::Drain(int64_t forward_id, Stream& stream,
                                            PublishSwitch publish) {
  parts_.orders.BeginDrain(forward_id);
  parts_.fence.Wake();
  const SteadyTime deadline = parts_.Deadline();
  const absl::StatusOr<int64_t> last_unit = parts_.orders.AwaitDrain(deadline);
  absl::Status status = last_unit.status();
  if (last_unit.ok()) {
    failed_drain_ = absl::OkStatus();
    for (const int64_t number : parts_.fence.TakeAgreed(*last_unit)) {
      status.Update(SwitchUnit(number, stream, publish));
    }
    parts_.orders.Drained(forward_id, parts_.fence.num_pending() > 0);
  }
  // No rank has ended a drain that this one has not begun.
  if (!status.ok() && !parts_.orders.WithdrawDrain()) {
    failed_drain_ = absl::FailedPreconditionError(absl::StrCat(
        "the drain after step ", forward_id,
        " has failed, and ranks may have switched at it; no step can be passed "
        "before a drain succeeds: ",
        status.ToString()));
  }
  return status;
}

absl::Status BackgroundRearrangement::Shutdown() {
  worker_.Stop();
  if (parts_.orders.AwaitEnd(parts_.Deadline())) return absl::OkStatus();
  return absl::DeadlineExceededError(
      "the background worker has not ended within the timeout");
}

BackgroundMetrics BackgroundRearrangement::metrics() const {
  BackgroundMetrics metrics;
  metrics.stalls = stalls_.counts();
  metrics.fence_waits = parts_.fence.waits();
  metrics.layers_pending = parts_.agreed.num_layers();
  if (const std::optional<SteadyTime> oldest = parts_.agreed.oldest()) {
    metrics.oldest_staged_age = parts_.dependencies.clock->Now() - *oldest;
  }
  const WorkerProgress::Staged staged = parts_.progress.staged();
  metrics.bytes_staged = staged.bytes;
  const double seconds = std::chrono::duration<double>(staged.time).count();
  if (seconds > 0) {
    metrics.bytes_per_second = static_cast<double>(staged.bytes) / seconds;
  }
  return metrics;
}

}  // namespace eplb
