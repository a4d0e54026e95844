#include "collectives/nccl_owner.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner_state.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

NcclOwner::NcclOwner(std::shared_ptr<NcclApi> api, Clock& clock,
                     NcclOwnerOptions options)
    : state_(std::make_shared<State>(std::move(api), clock, options)),
      thread_([state = state_] { Main(state); }) {}

NcclOwner::~NcclOwner() {
  State& state = *state_;
  {
    absl::MutexLock lock(&state.mutex);
    state.must_end = true;
    state.changed.SignalAll();
    if (!state.is_left_behind) {
      const SteadyTime limit =
          state.clock.Now() + 2 * state.options.abort_bound;
      while (!state.has_ended &&
             !state.clock.WaitUntil(state.changed, state.mutex, limit)) {
      }
    }
    if (!state.has_ended) {
      state.is_left_behind = true;
      state.changed.SignalAll();
      // A thread that is not inside a call ends, and may be using the clock.
      while (!state.has_ended && !state.is_in_call) {
        state.changed.Wait(&state.mutex);
      }
    }
    if (!state.has_ended) {
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

absl::Status NcclOwner::Run(Task task, SteadyTime deadline) {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  if (!state.peer_failure.ok()) state.StopLocked(state.peer_failure);
  if (!state.stop_reason.ok()) return state.stop_reason;
  state.task = std::move(task);
  state.deadline = deadline;
  state.progress_deadline = SteadyTime::max();
  state.is_running = true;
  state.changed.SignalAll();
  while (state.is_running) {
    const SteadyTime limit =
        (state.stop_reason.ok() ? deadline : state.stopped_at) +
        state.options.abort_bound;
    if (!state.clock.WaitUntil(state.changed, state.mutex, limit)) continue;
    if (!state.is_running) break;
    // Stopped in the meantime: the bound counts from there.
    if (!state.stop_reason.ok() &&
        state.clock.Now() < state.stopped_at + state.options.abort_bound) {
      continue;
    }
    state.StopLocked(absl::DeadlineExceededError("time was up"));
    state.is_left_behind = true;
    state.changed.SignalAll();
    return absl::Status(
        state.stop_reason.code(),
        absl::StrCat(state.stop_reason.message(), "; ", state.call,
                     " has not ended within ",
                     Seconds(state.options.abort_bound),
                     " s after that: the communicator and its thread are left "
                     "behind, and the GPU may still use the buffers of this "
                     "call"));
  }
  return state.result;
}

void NcclOwner::Stop(absl::Status reason) {
  absl::MutexLock lock(&state_->mutex);
  state_->StopLocked(reason);
}

void NcclOwner::PeerFailed(absl::Status reason) {
  absl::MutexLock lock(&state_->mutex);
  if (!state_->peer_failure.ok()) return;
  state_->peer_failure = std::move(reason);
  state_->changed.SignalAll();
}

void NcclOwner::Main(const std::shared_ptr<State>& state) {
  Calls calls(*state);
  calls.Open();
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&state->mutex);
      while (!state->is_running && !state->must_end &&
             (state->stop_reason.ok() || state->comm == nullptr)) {
        state->changed.Wait(&state->mutex);
      }
      if (state->is_running) {
        task = std::move(state->task);
      } else if (state->must_end) {
        break;
      }
    }
    if (task == nullptr) {
      calls.Abort();
      continue;
    }
    absl::Status result = state->open_status;
    if (result.ok()) result = task(calls);
    if (result.ok()) result = calls.WaitForStream();
    task = nullptr;
    if (!result.ok()) {
      {
        absl::MutexLock lock(&state->mutex);
        // What came first is the cause.
        if (!state->is_left_behind) state->StopLocked(result);
        result = state->stop_reason;
      }
      calls.Abort();
    }
    absl::MutexLock lock(&state->mutex);
    state->result = std::move(result);
    state->is_running = false;
    state->changed.SignalAll();
    if (state->must_end) break;
  }
  calls.Close();
  absl::MutexLock lock(&state->mutex);
  state->has_ended = true;
  state->changed.SignalAll();
}

}  // namespace eplb
