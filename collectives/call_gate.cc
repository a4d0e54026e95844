#include "collectives/call_gate.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

absl::Status AbortReason(absl::Status reason) {
  return reason.ok() ? absl::CancelledError("aborted without a reason")
                     : std::move(reason);
}

absl::Status AfterEarlierError(absl::string_view operation,
                               const absl::Status& first_error) {
  return absl::FailedPreconditionError(absl::StrCat(
      operation,
      " after an earlier error: ", absl::StatusCodeToString(first_error.code()),
      ": ", first_error.message()));
}

absl::Status CallGate::Enter(absl::string_view operation) {
  absl::MutexLock lock(&mutex_);
  if (!pending_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(operation, " called while ", pending_,
                     " of another thread is pending"));
  }
  if (!first_error_.ok()) {
    return AfterEarlierError(operation, first_error_);
  }
  pending_ = operation;
  return absl::OkStatus();
}

absl::Status CallGate::Leave(absl::Status result) {
  absl::MutexLock lock(&mutex_);
  pending_ = absl::string_view();
  idle_.SignalAll();
  if (result.ok()) return result;
  if (first_error_.ok()) first_error_ = std::move(result);
  return first_error_;
}

absl::Status CallGate::LeaveUsable(absl::Status result) {
  absl::MutexLock lock(&mutex_);
  pending_ = absl::string_view();
  idle_.SignalAll();
  return first_error_.ok() ? result : first_error_;
}

bool CallGate::has_pending_call() const {
  absl::MutexLock lock(&mutex_);
  return !pending_.empty();
}

void CallGate::Poison(absl::Status reason) {
  absl::MutexLock lock(&mutex_);
  if (first_error_.ok()) first_error_ = std::move(reason);
}

absl::Status CallGate::first_error() const {
  absl::MutexLock lock(&mutex_);
  return first_error_;
}

void CallGate::WaitUntilIdle() {
  absl::MutexLock lock(&mutex_);
  while (!pending_.empty()) idle_.Wait(&mutex_);
}

}  // namespace eplb
