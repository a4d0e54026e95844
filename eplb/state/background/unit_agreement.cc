#include "eplb/state/background/unit_agreement.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/agreed_units.h"
#include "eplb/state/background/background_parts.h"

namespace eplb {
namespace {

std::string LayersOf(const ShuffleUnit& unit) {
  return absl::StrJoin(unit.layers, ", ",
                       [](std::string* text, const LayerChange& change) {
                         absl::StrAppend(text, change.layer);
                       });
}

bool ShareALayer(const ShuffleUnit& a, const ShuffleUnit& b) {
  return std::any_of(a.layers.begin(), a.layers.end(),
                     [&](const LayerChange& mine) {
                       return std::any_of(b.layers.begin(), b.layers.end(),
                                          [&](const LayerChange& other) {
                                            return other.layer == mine.layer;
                                          });
                     });
}

}  // namespace

// No two agreements end at one step: each step switches one unit.
absl::StatusOr<int64_t> UnitAgreement::Raise() {
  return parts_.fence.Raise(parts_.options.fence_margin, last_commit_step_ + 1);
}

absl::Status UnitAgreement::Commit(int model,
                                   std::shared_ptr<const ShuffleUnit> unit,
                                   int64_t weights_version,
                                   const ShuffleChannels& channels) {
  WeightShuffler& shuffler = *parts_.dependencies.models[model].shuffler;
  EPLB_ASSIGN_OR_RETURN(const int64_t fence, Raise());
  const Pending pending = {.number = parts_.agreed.Add(
                               {.unit = unit,
                                .model = model,
                                .weights_version = weights_version,
                                .staged_at = parts_.dependencies.clock->Now()}),
                           .model = model,
                           .epoch = channels.control->context().epoch,
                           .unit = unit};
  const absl::StatusOr<int64_t> step = shuffler.Commit(*unit, fence, channels);
  if (step.ok()) {
    last_commit_step_ = *step;
    pending_.push_back(pending);
    return Schedule(pending.number, *step);
  }
  if (shuffler.is_in_doubt()) {
    doubt_ = pending;
    KeepDoubt(step.status());
  } else {
    parts_.fence.Withdraw();
    parts_.agreed.Remove(pending.number);
  }
  return step.status();
}

void UnitAgreement::KeepDoubt(const absl::Status& why) {
  if (!doubt_.has_value()) return;
  parts_.fence.Doubt(absl::UnavailableError(absl::StrCat(
      "epoch ", doubt_->epoch,
      ": in doubt whether all ranks agreed to switch model '",
      parts_.dependencies.models[doubt_->model].name, "', layers ",
      LayersOf(*doubt_->unit),
      "; no step can be passed before a new epoch tells: ", why.ToString())));
}

absl::Status UnitAgreement::OpenEpoch(const ShuffleChannels& channels) {
  for (const BackgroundModel& model : parts_.dependencies.models) {
    EPLB_ASSIGN_OR_RETURN(const EpochOutcome outcome,
                          model.shuffler->OpenEpoch(channels));
    if (outcome.unit == nullptr || !doubt_.has_value()) continue;
    const Pending settled = *std::exchange(doubt_, std::nullopt);
    if (outcome.is_committed) {
      last_commit_step_ = outcome.commit_step;
      pending_.push_back(settled);
      EPLB_RETURN_IF_ERROR(Schedule(settled.number, outcome.commit_step));
    } else {
      parts_.fence.Withdraw();
      parts_.agreed.Remove(settled.number);
    }
  }
  return absl::OkStatus();
}

absl::Status UnitAgreement::Closing(
    absl::FunctionRef<absl::StatusOr<Close>(int64_t, int64_t)> gather) {
  const BackgroundOrders::Closing closing = parts_.orders.BeginClosing();
  EPLB_ASSIGN_OR_RETURN(const int64_t fence, Raise());
  const absl::StatusOr<Close> close = gather(fence, closing.last_begin);
  if (!close.ok()) {
    // Nothing but the begin of the next run hangs on it.
    parts_.fence.Withdraw();
    return close.status();
  }
  last_commit_step_ = close->latest_fence;
  const int64_t number = parts_.agreed.Add(
      {.closing = closing.number, .last_begin = close->last_begin});
  return Schedule(number, close->latest_fence);
}

// All ranks have agreed: a rank that cannot do it must not go on serving.
absl::Status UnitAgreement::Schedule(int64_t number, int64_t step) {
  const absl::Status status = parts_.fence.Commit(number, step);
  if (!status.ok()) {
    parts_.fence.Break(status);
    parts_.orders.Stop();
  }
  return status;
}

absl::Status UnitAgreement::AwaitRoom(int model, const ShuffleUnit& unit) {
  WeightShuffler& shuffler = *parts_.dependencies.models[model].shuffler;
  Clock& clock = *parts_.dependencies.clock;
  const SteadyTime deadline =
      clock.Now() + parts_.options.operation_timeout / 2;
  // In the order of their steps, so that the room they take comes back first;
  // by twos, since to wake this thread costs the serving thread time. Of more
  // than two the second is not the newest, whose outcome another rank may still
  // wait for at its fence.
  while (!pending_.empty()) {
    const bool must_wait =
        shuffler.free_staging_rows() < unit.max_staged_rows ||
        std::any_of(
            pending_.begin(), pending_.end(), [&](const Pending& pending) {
              return pending.model == model && ShareALayer(*pending.unit, unit);
            });
    if (!must_wait) return absl::OkStatus();
    const auto awaited = pending_.begin() + (pending_.size() > 2 ? 1 : 0);
    EPLB_RETURN_IF_ERROR(AwaitSwitchOf(*awaited, deadline));
    pending_.erase(pending_.begin(), awaited + 1);
  }
  // The device may still read the rows of what was switched last.
  while (shuffler.free_staging_rows() < unit.max_staged_rows) {
    if (clock.Now() >= deadline) {
      return absl::DeadlineExceededError("the device still reads staged rows");
    }
    parts_.orders.Rest(
        std::min(deadline, clock.Now() + std::chrono::milliseconds(1)));
    if (parts_.orders.is_stopped()) return absl::CancelledError("shut down");
  }
  return absl::OkStatus();
}

absl::Status UnitAgreement::AwaitSwitchOf(const Pending& pending,
                                          SteadyTime deadline) {
  return parts_.fence.AwaitSwitch(pending.number, deadline, [&] {
    return parts_.orders.is_draining() || parts_.orders.is_stopped();
  });
}

}  // namespace eplb
