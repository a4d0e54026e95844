#include "testing/fake_clock.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace eplb {

SteadyTime FakeClock::Now() const {
  absl::MutexLock lock(&mutex_);
  return now_;
}

bool FakeClock::WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                          SteadyTime deadline) {
  Waiter waiter{.changed = &changed, .mutex = &mutex, .deadline = deadline};
  {
    absl::MutexLock lock(&mutex_);
    if (deadline <= now_) return true;
    waiters_.push_back(&waiter);
    waiters_grew_.SignalAll();
  }
  // Nobody can signal in between: that takes `mutex`.
  changed.Wait(&mutex);
  bool is_being_woken;
  {
    absl::MutexLock lock(&mutex_);
    waiters_.erase(std::remove(waiters_.begin(), waiters_.end(), &waiter),
                   waiters_.end());
    is_being_woken = waiter.is_being_woken;
  }
  if (is_being_woken) {
    // AdvanceClock needs `mutex` to come to its end.
    mutex.Unlock();
    {
      absl::MutexLock lock(&mutex_);
      while (waiter.is_being_woken) wakeup_done_.Wait(&mutex_);
    }
    mutex.Lock();
  }
  return Now() >= deadline;
}

void FakeClock::AdvanceClock(std::chrono::nanoseconds duration) {
  std::vector<Waiter*> due;
  {
    absl::MutexLock lock(&mutex_);
    now_ += duration;
    const auto first_due = std::partition(
        waiters_.begin(), waiters_.end(),
        [now = now_](const Waiter* waiter) { return waiter->deadline > now; });
    due.assign(first_due, waiters_.end());
    waiters_.erase(first_due, waiters_.end());
    for (Waiter* waiter : due) waiter->is_being_woken = true;
  }
  for (Waiter* waiter : due) {
    {
      absl::MutexLock lock(waiter->mutex);
      waiter->changed->SignalAll();
    }
    absl::MutexLock lock(&mutex_);
    waiter->is_being_woken = false;
    wakeup_done_.SignalAll();
  }
}

void FakeClock::WaitForWaiters(int count) {
  absl::MutexLock lock(&mutex_);
  while (static_cast<int>(waiters_.size()) < count) {
    waiters_grew_.Wait(&mutex_);
  }
}

}  // namespace eplb
