// What NcclOwner and its thread share. Part of nccl_owner.cc.

#ifndef EPLB_COLLECTIVES_NCCL_OWNER_STATE_H_
#define EPLB_COLLECTIVES_NCCL_OWNER_STATE_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"

namespace eplb {

// Lives as long as either of them: a thread may be left behind.
struct NcclOwner::State {
  State(std::shared_ptr<NcclApi> api, Clock& clock, NcclOwnerOptions options)
      : api(std::move(api)), clock(clock), options(options) {}

  const std::shared_ptr<NcclApi> api;
  Clock& clock;
  const NcclOwnerOptions options;

  absl::Mutex mutex;
  absl::CondVar changed;

  // The pending Run.
  Task task ABSL_GUARDED_BY(mutex);
  SteadyTime deadline ABSL_GUARDED_BY(mutex);
  SteadyTime progress_deadline ABSL_GUARDED_BY(mutex) = SteadyTime::max();
  bool is_running ABSL_GUARDED_BY(mutex) = false;
  absl::Status result ABSL_GUARDED_BY(mutex);

  // The first error.
  absl::Status stop_reason ABSL_GUARDED_BY(mutex);
  // From here on the bound of the abort counts; set with stop_reason.
  SteadyTime stopped_at ABSL_GUARDED_BY(mutex);
  absl::Status peer_failure ABSL_GUARDED_BY(mutex);

  bool must_end ABSL_GUARDED_BY(mutex) = false;
  bool has_ended ABSL_GUARDED_BY(mutex) = false;
  bool is_left_behind ABSL_GUARDED_BY(mutex) = false;
  // The function that the thread is in, or has been in last.
  absl::string_view call ABSL_GUARDED_BY(mutex) = "the start";
  bool is_in_call ABSL_GUARDED_BY(mutex) = false;

  void StopLocked(const absl::Status& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!stop_reason.ok()) return;
    stop_reason = reason;
    stopped_at = clock.Now();
    changed.SignalAll();
  }

  // Of the thread alone.
  absl::Status open_status;
  NcclComm comm = nullptr;
  CudaStream stream = nullptr;
  void* pinned = nullptr;
  size_t pinned_bytes = 0;
};

// Says where the thread is, for one that waits for it.
// A template, as the state is private.
template <typename State>
class NcclScopedCall {
 public:
  NcclScopedCall(State& state, absl::string_view name) : state_(state) {
    absl::MutexLock lock(&state_.mutex);
    state_.call = name;
    state_.is_in_call = true;
    // One that has left the thread behind waits to know where it is.
    if (state_.is_left_behind) state_.changed.SignalAll();
  }
  ~NcclScopedCall() {
    absl::MutexLock lock(&state_.mutex);
    state_.is_in_call = false;
  }

 private:
  State& state_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_OWNER_STATE_H_
