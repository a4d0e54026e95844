// How the thread of NcclOwner waits: as long as the operation may take.

#include <algorithm>
#include <chrono>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner.h"
#include "collectives/nccl_owner_state.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// The first waits, for what is done soon.
constexpr std::chrono::nanoseconds kShortestPause =
    std::chrono::microseconds(20);

}  // namespace

void NcclOwner::Calls::ExpectProgress() {
  absl::MutexLock lock(&state_.mutex);
  if (state_.is_left_behind) return;
  state_.progress_deadline =
      state_.clock.Now() + state_.options.progress_timeout;
}

absl::StatusOr<bool> NcclOwner::Calls::IsAccepted(absl::string_view name) {
  NcclResult state = NcclResult::kSuccess;
  NcclResult asked;
  {
    NcclScopedCall<State> scoped(state_, name);
    asked = state_.api->CommGetAsyncError(state_.comm, &state);
  }
  if (asked != NcclResult::kSuccess) {
    return Error(asked, "ncclCommGetAsyncError");
  }
  if (state == NcclResult::kInProgress) return false;
  if (state != NcclResult::kSuccess) return Error(state, name);
  return true;
}

absl::StatusOr<bool> NcclOwner::Calls::IsStreamIdle() {
  NcclScopedCall<State> scoped(state_, "cudaStreamQuery");
  return state_.api->StreamQuery(state_.stream);
}

absl::Status NcclOwner::Calls::WaitForStream() {
  return Await("waiting for the GPU", [&]() -> absl::StatusOr<bool> {
    if (state_.comm != nullptr) {
      EPLB_ASSIGN_OR_RETURN(const bool is_accepted,
                            IsAccepted("waiting for the GPU"));
      if (!is_accepted) return false;
    }
    return IsStreamIdle();
  });
}

absl::Status NcclOwner::Calls::Await(
    absl::string_view name, absl::FunctionRef<absl::StatusOr<bool>()> is_done) {
  std::chrono::nanoseconds pause = kShortestPause;
  int polls_after_failure = 0;
  while (true) {
    // Asked before: an operation that is done was not ended by a peer that
    // left after it.
    const absl::Status interruption = Interruption(name, polls_after_failure);
    if (IsLeftBehind()) return interruption;
    EPLB_ASSIGN_OR_RETURN(const bool done, is_done());
    if (done && !absl::IsDeadlineExceeded(interruption)) {
      return absl::OkStatus();
    }
    EPLB_RETURN_IF_ERROR(interruption);
    EPLB_RETURN_IF_ERROR(CheckProgress(name));
    if (!Pause(pause)) return absl::CancelledError("left behind");
    pause = std::min(2 * pause, state_.options.poll_interval);
  }
}

absl::Status NcclOwner::Calls::Interruption(absl::string_view name,
                                            int& polls_after_failure) {
  absl::MutexLock lock(&state_.mutex);
  if (state_.is_left_behind) return absl::CancelledError("left behind");
  if (!state_.stop_reason.ok()) return state_.stop_reason;
  if (state_.clock.Now() >= state_.deadline) {
    return absl::DeadlineExceededError(
        absl::StrCat(name,
                     ": time was up before all ranks had come and "
                     "finished"));
  }
  if (!state_.peer_failure.ok() &&
      ++polls_after_failure > state_.options.polls_after_peer_failure) {
    return state_.peer_failure;
  }
  return absl::OkStatus();
}

absl::Status NcclOwner::Calls::CheckProgress(absl::string_view name) {
  absl::MutexLock lock(&state_.mutex);
  if (state_.is_left_behind || state_.clock.Now() < state_.progress_deadline) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(absl::StrCat(
      name, ": nothing has moved on for ",
      std::chrono::duration<double>(state_.options.progress_timeout).count(),
      " s"));
}

bool NcclOwner::Calls::IsLeftBehind() {
  absl::MutexLock lock(&state_.mutex);
  return state_.is_left_behind;
}

bool NcclOwner::Calls::Pause(std::chrono::nanoseconds interval) {
  absl::MutexLock lock(&state_.mutex);
  if (state_.is_left_behind) return false;
  state_.clock.WaitUntil(state_.changed, state_.mutex,
                         state_.clock.Now() + interval);
  return !state_.is_left_behind;
}

}  // namespace eplb
