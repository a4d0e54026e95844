#include "testing/lockstep_clock.h"

#include <chrono>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

void LockstepClock::Join(int num_members) {
  absl::MutexLock lock(&mutex_);
  num_members_ += num_members;
}

void LockstepClock::Leave() {
  {
    absl::MutexLock lock(&mutex_);
    --num_members_;
    if (num_waiting_ == 0 || !BeginsTick()) return;
  }
  time_.AdvanceClock(tick_);
}

void LockstepClock::AdvanceClock(std::chrono::nanoseconds duration) {
  time_.AdvanceClock(duration);
}

SteadyTime LockstepClock::Now() const { return time_.Now(); }

bool LockstepClock::BeginsTick() {
  if (num_waiting_ < num_members_) return false;
  num_waiting_ = 0;
  ++num_ticks_;
  return true;
}

bool LockstepClock::WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                              SteadyTime deadline) {
  if (deadline > Now() + tick_) {
    return time_.WaitUntil(changed, mutex, deadline);
  }
  bool moves_time_on;
  int64_t num_ticks;
  {
    absl::MutexLock lock(&mutex_);
    ++num_waiting_;
    moves_time_on = BeginsTick();
    num_ticks = num_ticks_;
  }
  if (moves_time_on) {
    mutex.Unlock();
    time_.AdvanceClock(tick_);
    mutex.Lock();
    return Now() >= deadline;
  }
  // Where the tick has begun in the meantime, the time is there or comes.
  const bool is_time = time_.WaitUntil(changed, mutex, deadline);
  absl::MutexLock lock(&mutex_);
  // Signalled before the tick; otherwise the tick has counted it off.
  if (num_ticks_ == num_ticks) --num_waiting_;
  return is_time;
}

}  // namespace eplb
