#include "eplb/state/background/transfer_budget.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

TransferBudget::TransferBudget(Clock& clock, int64_t bytes_per_step,
                               std::chrono::nanoseconds interval)
    : clock_(clock),
      bytes_per_step_(bytes_per_step),
      interval_(interval),
      left_(bytes_per_step),
      last_refill_(clock.Now()) {}

void TransferBudget::Refill() {
  if (bytes_per_step_ == 0) return;
  absl::MutexLock lock(&mutex_);
  RefillLocked();
}

void TransferBudget::RefillLocked() {
  left_ = std::min(left_ + bytes_per_step_, bytes_per_step_);
  last_refill_ = clock_.Now();
  if (left_ > 0) refilled_.SignalAll();
}

void TransferBudget::Spend(int64_t num_bytes, SteadyTime deadline) {
  if (bytes_per_step_ == 0) return;
  absl::MutexLock lock(&mutex_);
  while (left_ <= 0 && !is_open_ && clock_.Now() < deadline) {
    const SteadyTime next_refill = last_refill_ + interval_;
    clock_.WaitUntil(refilled_, mutex_, std::min(next_refill, deadline));
    if (clock_.Now() >= last_refill_ + interval_) RefillLocked();
  }
  left_ -= num_bytes;
}

void TransferBudget::Open() {
  absl::MutexLock lock(&mutex_);
  is_open_ = true;
  refilled_.SignalAll();
}

}  // namespace eplb
