// WorkerProgress: what the worker is doing and has done, for the serving thread
// to notice one that is stuck, and for metrics.

#ifndef EPLB_STATE_BACKGROUND_WORKER_PROGRESS_H_
#define EPLB_STATE_BACKGROUND_WORKER_PROGRESS_H_

#include <chrono>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe.
class WorkerProgress {
 public:
  struct Staged {
    int64_t bytes = 0;
    std::chrono::nanoseconds time{0};
  };

  explicit WorkerProgress(Clock& clock) : clock_(clock) {}

  // Begins `operation`, a literal; empty for waiting for orders.
  void Begin(absl::string_view operation) {
    absl::MutexLock lock(&mutex_);
    operation_ = operation;
    since_ = clock_.Now();
    is_reported_ = false;
  }

  void AddStaged(int64_t bytes, std::chrono::nanoseconds time) {
    absl::MutexLock lock(&mutex_);
    staged_.bytes += bytes;
    staged_.time += time;
  }

  Staged staged() const {
    absl::MutexLock lock(&mutex_);
    return staged_;
  }

  // DeadlineExceeded, once per operation that takes longer than `limit`.
  absl::Status CheckNotStuck(std::chrono::nanoseconds limit) {
    absl::MutexLock lock(&mutex_);
    if (operation_.empty() || is_reported_) return absl::OkStatus();
    const std::chrono::nanoseconds age = clock_.Now() - since_;
    if (age <= limit) return absl::OkStatus();
    is_reported_ = true;
    return absl::DeadlineExceededError(absl::StrCat(
        "the background worker of this rank is stuck: ", operation_, " for ",
        absl::FormatDuration(absl::FromChrono(age)), ", more than ",
        absl::FormatDuration(absl::FromChrono(limit))));
  }

 private:
  Clock& clock_;
  mutable absl::Mutex mutex_;
  absl::string_view operation_ ABSL_GUARDED_BY(mutex_);
  SteadyTime since_ ABSL_GUARDED_BY(mutex_);
  bool is_reported_ ABSL_GUARDED_BY(mutex_) = false;
  Staged staged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_WORKER_PROGRESS_H_
