// The calls that the thread of NcclOwner makes.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

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

absl::StatusCode CodeOf(NcclResult result) {
  switch (result) {
    case NcclResult::kInvalidArgument:
      return absl::StatusCode::kInvalidArgument;
    case NcclResult::kInvalidUsage:
      return absl::StatusCode::kFailedPrecondition;
    case NcclResult::kSystemError:
    case NcclResult::kRemoteError:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

NcclComm NcclOwner::Calls::comm() const { return state_.comm; }
CudaStream NcclOwner::Calls::stream() const { return state_.stream; }

void NcclOwner::Calls::Open() {
  state_.open_status = Cuda("cudaSetDevice", [&](NcclApi& api) {
    return api.SetDevice(state_.options.device);
  });
  if (!state_.open_status.ok()) return;
  state_.open_status = Cuda("cudaStreamCreate", [&](NcclApi& api) {
    const absl::StatusOr<CudaStream> stream = api.StreamCreate();
    if (stream.ok()) state_.stream = *stream;
    return stream.status();
  });
}

absl::Status NcclOwner::Calls::Init(const NcclUniqueId& id, int num_ranks,
                                    int rank) {
  return Nccl("ncclCommInitRankConfig", [&](NcclApi& api) {
    return api.CommInitRankConfig(&state_.comm, num_ranks, id, rank);
  });
}

absl::Status NcclOwner::Calls::Nccl(
    absl::string_view name, absl::FunctionRef<NcclResult(NcclApi&)> call) {
  if (IsLeftBehind()) return absl::CancelledError("left behind");
  NcclResult result;
  {
    NcclScopedCall<State> scoped(state_, name);
    result = call(*state_.api);
  }
  if (result == NcclResult::kSuccess) return absl::OkStatus();
  if (result != NcclResult::kInProgress) return Error(result, name);
  return Await(name, [&] { return IsAccepted(name); });
}

absl::Status NcclOwner::Calls::Cuda(
    absl::string_view name, absl::FunctionRef<absl::Status(NcclApi&)> call) {
  if (IsLeftBehind()) return absl::CancelledError("left behind");
  NcclScopedCall<State> scoped(state_, name);
  return call(*state_.api);
}

absl::StatusOr<void*> NcclOwner::Calls::PinnedMemory(size_t num_bytes) {
  if (num_bytes <= state_.pinned_bytes) return state_.pinned;
  if (state_.pinned != nullptr) {
    EPLB_RETURN_IF_ERROR(Cuda("cudaFreeHost", [&](NcclApi& api) {
      return api.HostFree(state_.pinned);
    }));
    state_.pinned = nullptr;
    state_.pinned_bytes = 0;
  }
  EPLB_RETURN_IF_ERROR(Cuda("cudaHostAlloc", [&](NcclApi& api) {
    const absl::StatusOr<void*> memory = api.HostAlloc(num_bytes);
    if (memory.ok()) state_.pinned = *memory;
    return memory.status();
  }));
  state_.pinned_bytes = num_bytes;
  return state_.pinned;
}

absl::Status NcclOwner::Calls::Error(NcclResult result,
                                     absl::string_view name) {
  if (IsLeftBehind()) return absl::CancelledError("left behind");
  std::string text;
  {
    NcclScopedCall<State> scoped(state_, "ncclGetLastError");
    text = absl::StrCat(name, ": ", state_.api->GetErrorString(result));
    const std::string last_error = state_.api->GetLastError(state_.comm);
    if (!last_error.empty()) absl::StrAppend(&text, ": ", last_error);
  }
  absl::MutexLock lock(&state_.mutex);
  if (CodeOf(result) == absl::StatusCode::kUnavailable) {
    // The peers that NCCL does not name may be about to say who failed.
    const SteadyTime limit =
        std::min(state_.deadline,
                 state_.clock.Now() + state_.options.polls_after_peer_failure *
                                          state_.options.poll_interval);
    while (state_.peer_failure.ok() && state_.stop_reason.ok() &&
           !state_.clock.WaitUntil(state_.changed, state_.mutex, limit)) {
    }
  }
  if (state_.peer_failure.ok()) return absl::Status(CodeOf(result), text);
  return absl::Status(
      state_.peer_failure.code(),
      absl::StrCat(state_.peer_failure.message(), "; NCCL: ", text));
}

void NcclOwner::Calls::Abort() {
  if (state_.comm != nullptr) {
    NcclScopedCall<State> scoped(state_, "ncclCommAbort");
    // Whatever it returns, the communicator is not used again.
    state_.api->CommAbort(std::exchange(state_.comm, nullptr));
  }
  if (state_.stream == nullptr) return;
  while (true) {
    const absl::StatusOr<bool> is_idle = IsStreamIdle();
    // A device with an error runs nothing any more.
    if (!is_idle.ok() || *is_idle) return;
    if (!Pause(state_.options.poll_interval)) return;
  }
}

bool NcclOwner::Calls::FinalizeAndDestroy() {
  SteadyTime limit;
  {
    absl::MutexLock lock(&state_.mutex);
    const bool has_failed =
        !state_.stop_reason.ok() ||
        !(state_.peer_failure.ok() || absl::IsUnavailable(state_.peer_failure));
    if (has_failed || state_.is_left_behind) return false;
    limit = state_.clock.Now() + state_.options.abort_bound;
    state_.deadline = limit;
  }
  NcclResult result;
  {
    NcclScopedCall<State> scoped(state_, "ncclCommFinalize");
    result = state_.api->CommFinalize(state_.comm);
  }
  while (result == NcclResult::kInProgress) {
    {
      NcclScopedCall<State> scoped(state_, "ncclCommGetAsyncError");
      state_.api->CommGetAsyncError(state_.comm, &result);
    }
    if (result != NcclResult::kInProgress) break;
    if (!Pause(state_.options.poll_interval)) return false;
    if (state_.clock.Now() >= limit) return false;
  }
  if (result != NcclResult::kSuccess) return false;
  NcclScopedCall<State> scoped(state_, "ncclCommDestroy");
  state_.api->CommDestroy(std::exchange(state_.comm, nullptr));
  return true;
}

void NcclOwner::Calls::Close() {
  if (state_.comm != nullptr) {
    if (!FinalizeAndDestroy()) Abort();
  }
  if (state_.stream == nullptr) return;
  // What the GPU may still use stays.
  const absl::StatusOr<bool> is_idle = IsStreamIdle();
  if (!is_idle.ok() || !*is_idle) return;
  if (state_.pinned != nullptr) {
    NcclScopedCall<State> scoped(state_, "cudaFreeHost");
    state_.api->HostFree(state_.pinned).IgnoreError();
  }
  NcclScopedCall<State> scoped(state_, "cudaStreamDestroy");
  state_.api->StreamDestroy(state_.stream).IgnoreError();
}

}  // namespace eplb
