#include "eplb/state/background/commit_fence.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::StatusOr<int64_t> CommitFence::Raise(int64_t margin, int64_t not_before) {
  absl::MutexLock lock(&mutex_);
  EPLB_RETURN_IF_ERROR(broken_);
  if (fence_.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("a fence is up already, at step ", *fence_));
  }
  fence_ = std::max(passed_ + margin, not_before);
  return *fence_;
}

absl::Status CommitFence::Commit(int64_t unit, int64_t commit_step) {
  absl::MutexLock lock(&mutex_);
  if (!fence_.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("unit ", unit, " is committed with no fence up"));
  }
  if (commit_step < *fence_) {
    return absl::FailedPreconditionError(
        absl::StrCat("unit ", unit, " is committed for step ", commit_step,
                     ", before this rank's fence ", *fence_));
  }
  agreed_.push_back({unit, commit_step});
  Lower();
  return absl::OkStatus();
}

void CommitFence::Withdraw() {
  absl::MutexLock lock(&mutex_);
  Lower();
}

void CommitFence::Lower() {
  fence_.reset();
  doubt_ = absl::OkStatus();
  changed_.SignalAll();
}

void CommitFence::Doubt(absl::Status doubt) {
  absl::MutexLock lock(&mutex_);
  doubt_ = std::move(doubt);
  changed_.SignalAll();
}

void CommitFence::Break(absl::Status reason) {
  absl::MutexLock lock(&mutex_);
  if (broken_.ok()) broken_ = std::move(reason);
  changed_.SignalAll();
}

absl::Status CommitFence::AwaitSwitch(int64_t unit, SteadyTime deadline,
                                      absl::FunctionRef<bool()> give_up) {
  absl::MutexLock lock(&mutex_);
  awaited_ = unit;
  const auto is_pending = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::any_of(
        agreed_.begin(), agreed_.end(),
        [unit](const Agreed& agreed) { return agreed.unit == unit; });
  };
  while (is_pending()) {
    EPLB_RETURN_IF_ERROR(broken_);
    if (give_up()) {
      return absl::CancelledError(
          absl::StrCat("not waiting for unit ", unit, " to switch"));
    }
    if (clock_.WaitUntil(changed_, mutex_, deadline)) {
      if (!is_pending()) break;
      return absl::DeadlineExceededError(absl::StrCat(
          "unit ", unit,
          " has not switched: the serving thread stands at step ", passed_));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> CommitFence::Pass(int64_t forward_id,
                                                       SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  if (Stops(forward_id)) {
    EPLB_RETURN_IF_ERROR(AwaitOutcome(forward_id, deadline));
  }
  EPLB_RETURN_IF_ERROR(broken_);
  passed_ = forward_id;
  std::vector<int64_t> due;
  for (Agreed& agreed : agreed_) {
    if (agreed.is_switching || agreed.commit_step > forward_id) continue;
    agreed.is_switching = true;
    due.push_back(agreed.unit);
  }
  return due;
}

absl::Status CommitFence::AwaitOutcome(int64_t forward_id,
                                       SteadyTime deadline) {
  const SteadyTime begin = clock_.Now();
  SteadyTime until = begin + (deadline - begin) / 6;
  absl::Status status;
  while (Stops(forward_id) && broken_.ok() && doubt_.ok()) {
    if (!clock_.WaitUntil(changed_, mutex_, until)) continue;
    if (!Stops(forward_id) || !broken_.ok() || !doubt_.ok()) break;
    if (until == deadline) {
      status = absl::DeadlineExceededError(absl::StrCat(
          "step ", forward_id, " waited at its fence for ",
          absl::ToInt64Milliseconds(absl::FromChrono(clock_.Now() - begin)),
          " ms without learning what was agreed"));
      break;
    }
    until = deadline;
    if (!slow_wait_) continue;
    // It may ask for the metrics of this fence.
    mutex_.Unlock();
    slow_wait_(forward_id, clock_.Now() - begin);
    mutex_.Lock();
  }
  const std::chrono::nanoseconds waited = clock_.Now() - begin;
  ++waits_.count;
  waits_.total += waited;
  waits_.longest = std::max(waits_.longest, waited);
  EPLB_RETURN_IF_ERROR(broken_);
  EPLB_RETURN_IF_ERROR(doubt_);
  return status;
}

void CommitFence::Wake() {
  absl::MutexLock lock(&mutex_);
  changed_.SignalAll();
}

std::vector<int64_t> CommitFence::TakeAgreed(int64_t last_unit) {
  absl::MutexLock lock(&mutex_);
  std::vector<int64_t> taken;
  for (Agreed& agreed : agreed_) {
    if (agreed.is_switching || agreed.unit > last_unit) continue;
    agreed.is_switching = true;
    taken.push_back(agreed.unit);
  }
  return taken;
}

void CommitFence::Switched(int64_t unit) {
  absl::MutexLock lock(&mutex_);
  agreed_.erase(std::remove_if(agreed_.begin(), agreed_.end(),
                               [unit](const Agreed& agreed) {
                                 return agreed.unit == unit;
                               }),
                agreed_.end());
  if (unit == awaited_) changed_.SignalAll();
}

CommitFence::Waits CommitFence::waits() const {
  absl::MutexLock lock(&mutex_);
  return waits_;
}

int CommitFence::num_pending() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(agreed_.size());
}

int64_t CommitFence::passed() const {
  absl::MutexLock lock(&mutex_);
  return passed_;
}

}  // namespace eplb
