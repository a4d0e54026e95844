#include "eplb/state/background/background_worker.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_orders.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/checkpoint.h"

namespace eplb {
namespace {

constexpr std::chrono::milliseconds kFirstPause{1};

int NumLayers(const std::vector<ShuffleUnits>& units_of_model) {
  int num_layers = 0;
  for (const ShuffleUnits& units : units_of_model) {
    for (const auto& unit : units) {
      num_layers += static_cast<int>(unit->layers.size());
    }
  }
  return num_layers;
}

}  // namespace

void BackgroundWorker::Run() {
  const absl::Status bound = parts_.dependencies.device->BindThread();
  if (bound.ok()) {
    while (const std::optional<BackgroundOrder> order = parts_.orders.Take()) {
      if (lost_.ok()) {
        const absl::Status status = Obey(*order);
        if (!status.ok()) Overcome(status, *order);
      } else {
        ObeyAlone(*order);
      }
      parts_.progress.Begin("");
    }
  }
  const absl::Status reason =
      bound.ok() ? absl::CancelledError("background rearrangement is shut down")
                 : bound;
  AbortChannels(absl::UnavailableError(reason.message()));
  parts_.fence.Break(reason);
  parts_.orders.SayEnded();
}

void BackgroundWorker::Stop() {
  parts_.orders.Stop();
  parts_.budget.Open();
  parts_.fence.Break(
      absl::CancelledError("background rearrangement is shut down"));
  AbortChannels(absl::UnavailableError("a rank has shut down"));
}

std::vector<int> BackgroundWorker::SilentRanks() const {
  const ShuffleChannels now = channels();
  if (!now.control) return {};
  std::vector<int> silent = now.control->AwaitedRanks();
  if (silent.empty()) silent.push_back(now.control->rank());
  return silent;
}

absl::Status BackgroundWorker::Obey(const BackgroundOrder& order) {
  if (const auto* task = std::get_if<TaskOrder>(&order)) {
    EPLB_RETURN_IF_ERROR(RunTask(*task));
    // A count that all ranks have alike.
    if (++tasks_since_meeting_ < parts_.options.max_waiting_tasks) {
      return absl::OkStatus();
    }
    return AgreeOnTasks();
  }
  if (const auto* run = std::get_if<RunOrder>(&order)) return Rearrange(*run);
  return AgreeOnDrain(std::get<DrainOrder>(order));
}

// Without the others nothing more is agreed on. What was, all ranks know, or
// are in doubt of and stand still; so each can drain by itself, after the step
// at which all do.
void BackgroundWorker::ObeyAlone(const BackgroundOrder& order) {
  const auto* drain = std::get_if<DrainOrder>(&order);
  if (drain == nullptr) return;
  if (agreement_.is_in_doubt()) return parts_.orders.FinishDrain(*drain, lost_);
  parts_.orders.FinishDrain(*drain, parts_.agreed.last_number());
}

absl::Status BackgroundWorker::RunTask(const TaskOrder& order) {
  parts_.progress.Begin("a collective of a step");
  const ShuffleChannels now = channels();
  now.control->context().forward_id = static_cast<uint64_t>(order.step);
  return order.task(now);
}

absl::Status BackgroundWorker::AgreeOnTasks() {
  parts_.progress.Begin("a checkpoint of tasks");
  tasks_since_meeting_ = 0;
  EPLB_ASSIGN_OR_RETURN(
      const std::vector<Checkpoint> all,
      GatherCheckpoints({.newest_task = parts_.orders.newest_task()},
                        *channels().control, parts_.Deadline()));
  parts_.orders.SkipTasks(Combine(all, 0).common_task,
                          parts_.options.max_waiting_tasks);
  return absl::OkStatus();
}

absl::Status BackgroundWorker::AgreeOnDrain(const DrainOrder& order) {
  // Another rank has heard all others come where this one has heard of a
  // failure; it has gone on, and does not come again.
  if (order.step == last_drain_) {
    parts_.orders.FinishDrain(order, last_unit_before_drain_);
    return absl::OkStatus();
  }
  parts_.progress.Begin("the agreement on a drain");
  last_unit_before_drain_ = parts_.agreed.last_number();
  const ShuffleChannels now = channels();
  // Ranks that drain at different steps are told so by their headers.
  now.control->context().forward_id = static_cast<uint64_t>(order.step);
  absl::Status status = now.control->Barrier(parts_.Deadline());
  if (status.ok()) {
    // All have come: it is agreed on. Those who have not heard so fail at
    // once, and this rank with them, so that they meet in the next epoch.
    status = now.control->Barrier(parts_.Deadline());
    last_drain_ = order.step;
    parts_.orders.FinishDrain(order, last_unit_before_drain_);
  } else if (parts_.dependencies.connect ||
             absl::IsFailedPrecondition(status)) {
    parts_.orders.FinishDrain(order, status);
  }  // Else the others are lost: it is not over.
  return status;
}

// ---- A run.

absl::Status BackgroundWorker::Rearrange(const RunOrder& order) {
  const SteadyTime begin = parts_.dependencies.clock->Now();
  RunState run;
  run.report.step = order.step;
  absl::Status status = MoveUnits(order, run);
  if (status.ok()) status = EndRun();
  run.report.status = status;
  if (status.ok() && run.is_short_of_room) {
    run.report.status = absl::DeadlineExceededError(run.report.ended_early);
    parts_.orders.ReportFailure(run.report.status);
  }
  run.report.seconds =
      std::chrono::duration<double>(parts_.dependencies.clock->Now() - begin)
          .count();
  if (parts_.dependencies.on_run_end) {
    parts_.dependencies.on_run_end(run.report);
  }
  return status;
}

absl::Status BackgroundWorker::MoveUnits(const RunOrder& order, RunState& run) {
  parts_.progress.Begin("the plan of a run");
  const ShuffleChannels now = channels();
  now.control->context().forward_id = static_cast<uint64_t>(order.step);
  EPLB_ASSIGN_OR_RETURN(const std::vector<ShuffleUnits> units_of_model,
                        order.plan(now));
  run.report.layers_planned = NumLayers(units_of_model);
  for (size_t model = 0; model < units_of_model.size(); ++model) {
    for (const auto& unit : units_of_model[model]) {
      EPLB_RETURN_IF_ERROR(MoveUnit(static_cast<int>(model), unit, run));
      if (!run.report.ended_early.empty()) return absl::OkStatus();
      run.report.layers_agreed += static_cast<int>(unit->layers.size());
      run.report.bytes_received += unit->bytes_received;
      run.report.bytes_switched += unit->bytes_switched;
    }
  }
  return absl::OkStatus();
}

absl::Status BackgroundWorker::MoveUnit(
    int model, const std::shared_ptr<const ShuffleUnit>& unit, RunState& run) {
  WeightShuffler& shuffler = *parts_.dependencies.models[model].shuffler;
  parts_.progress.Begin("waiting for room to stage");
  const absl::Status room = agreement_.AwaitRoom(model, *unit);
  run.staged_from_version = parts_.orders.weights_version();
  EPLB_RETURN_IF_ERROR(Meet(room.ok() ? Checkpoint::kGoOn : Checkpoint::kNoRoom,
                            run.staged_from_version, run));
  if (!run.report.ended_early.empty()) return absl::OkStatus();

  // A failure is told by the vote.
  StageUnit(model, unit).IgnoreError();
  EPLB_RETURN_IF_ERROR(
      Meet(Checkpoint::kGoOn, parts_.orders.weights_version(), run));
  if (!run.report.ended_early.empty()) {
    shuffler.Drop(*unit);
    return absl::OkStatus();
  }
  parts_.progress.Begin("the agreement on a unit");
  EPLB_RETURN_IF_ERROR(shuffler.Vote(*unit, channels()));
  return agreement_.Commit(model, unit, run.staged_from_version, channels());
}

absl::Status BackgroundWorker::StageUnit(
    int model, const std::shared_ptr<const ShuffleUnit>& unit) {
  parts_.progress.Begin("staging");
  const int64_t num_bytes = unit->bytes_sent + unit->bytes_received;
  // The others wait for this rank meanwhile.
  parts_.budget.Spend(num_bytes, parts_.dependencies.clock->Now() +
                                     parts_.options.operation_timeout / 6);
  const SteadyTime begin = parts_.dependencies.clock->Now();
  const absl::Status status =
      parts_.dependencies.models[model].shuffler->Stage(unit, channels());
  parts_.progress.AddStaged(unit->bytes_received,
                            parts_.dependencies.clock->Now() - begin);
  return status;
}

absl::Status BackgroundWorker::Meet(Checkpoint::Wish wish,
                                    int64_t weights_version, RunState& run) {
  parts_.progress.Begin("a checkpoint of a run");
  const ShuffleChannels now = channels();
  const Checkpoint mine = {
      .wish = parts_.orders.is_draining() ? Checkpoint::kDrain : wish,
      .weights_version = weights_version,
      .newest_task = parts_.orders.newest_task()};
  EPLB_ASSIGN_OR_RETURN(
      const std::vector<Checkpoint> all,
      GatherCheckpoints(mine, *now.control, parts_.Deadline()));
  const GroupCheckpoint group = Combine(all, run.staged_from_version);
  run.report.ended_early = group.reason_to_end;
  run.is_short_of_room = group.is_short_of_room;
  // Tasks of steps come between the units, so that they do not wait for the
  // end of a long run.
  const uint64_t run_step = now.control->context().forward_id;
  tasks_since_meeting_ = 0;
  parts_.orders.SkipTasks(group.common_task, parts_.options.max_waiting_tasks);
  while (const auto task = parts_.orders.TakeTask(group.common_task)) {
    EPLB_RETURN_IF_ERROR(RunTask(*task));
  }
  now.control->context().forward_id = run_step;
  return absl::OkStatus();
}

absl::Status BackgroundWorker::EndRun() {
  parts_.progress.Begin("the end of a run");
  const ShuffleChannels now = channels();
  return agreement_.Closing([&](int64_t fence, int64_t last_begin)
                                -> absl::StatusOr<UnitAgreement::Close> {
    const Checkpoint mine = {.weights_version = parts_.orders.weights_version(),
                             .last_task_taken = parts_.orders.last_task_taken(),
                             .fence = fence,
                             .last_begin = last_begin,
                             .last_drain = last_drain_};
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<Checkpoint> all,
        GatherCheckpoints(mine, *now.control, parts_.Deadline()));
    const GroupCheckpoint group = Combine(all, mine.weights_version);
    last_drain_ = group.last_drain;
    parts_.orders.ForgetUpTo(group.last_begin, group.last_task_taken);
    return UnitAgreement::Close{group.latest_fence, group.last_begin};
  });
}

// ---- After a failure.

void BackgroundWorker::Overcome(const absl::Status& failure,
                                const BackgroundOrder& order) {
  // Of a run on_run_end has told.
  if (!std::holds_alternative<RunOrder>(order)) {
    parts_.TellFailure(
        std::visit([](const auto& any) { return any.step; }, order), failure);
  }
  parts_.orders.ReportFailure(failure);
  AbortChannels(failure);
  if (parts_.dependencies.connect) {
    Recover();
  } else {
    lost_ = failure;
    ObeyAlone(order);
  }
}

void BackgroundWorker::Recover() {
  tasks_since_meeting_ = 0;
  const Clock& clock = *parts_.dependencies.clock;
  // Attempts are short at first, since a shutdown waits for the end of one, and
  // become longer, so that ranks that are late meet the others in one.
  std::chrono::nanoseconds attempt = parts_.options.operation_timeout / 64;
  std::chrono::nanoseconds pause = kFirstPause;
  while (!parts_.orders.is_stopped()) {
    parts_.progress.Begin("");
    UseChannels({});
    const absl::Status status = OpenNextEpoch(clock.Now() + attempt);
    if (status.ok()) return;
    AbortChannels(status);
    agreement_.KeepDoubt(status);
    // One that the others have ended needs no more of them.
    if (const auto drain = parts_.orders.TakeDrain(last_drain_)) {
      parts_.orders.FinishDrain(*drain, last_unit_before_drain_);
    }
    // Nobody knows for how long; the end of the failure tells the others.
    parts_.orders.SkipTasks(parts_.orders.newest_task(), 0);
    parts_.orders.Rest(clock.Now() + pause);
    attempt = std::min(attempt * 2, parts_.options.operation_timeout / 2);
    pause = std::min(pause * 2, parts_.options.operation_timeout / 64);
  }
}

absl::Status BackgroundWorker::OpenNextEpoch(SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(ShuffleChannels fresh,
                        parts_.dependencies.connect(++attempt_, deadline));
  UseChannels(fresh);
  EPLB_RETURN_IF_ERROR(agreement_.OpenEpoch(fresh));
  EPLB_RETURN_IF_ERROR(EndRun());
  // Nobody rests while another rank still needs it.
  parts_.progress.Begin("the begin of an epoch");
  return fresh.control->Barrier(parts_.Deadline());
}

ShuffleChannels BackgroundWorker::channels() const {
  absl::MutexLock lock(&mutex_);
  return channels_;
}

void BackgroundWorker::UseChannels(ShuffleChannels channels) {
  {
    absl::MutexLock lock(&mutex_);
    channels_ = std::move(channels);
  }
  // Stop may have come before there was anything to abort.
  if (parts_.orders.is_stopped()) {
    AbortChannels(absl::UnavailableError("a rank has shut down"));
  }
}

void BackgroundWorker::AbortChannels(const absl::Status& reason) {
  const ShuffleChannels now = channels();
  if (now.control) now.control->Abort(reason);
  if (now.data) now.data->Abort(reason);
}

}  // namespace eplb
