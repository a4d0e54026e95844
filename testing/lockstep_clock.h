// LockstepClock: time that passes only while everybody who takes part waits for
// it, so that a thread that gets no core loses none.
//
//   LockstepClock clock(std::chrono::milliseconds(1));
//   clock.Join(2);  // Two threads, which ask something every millisecond.
//   ... each: while (!IsDone()) clock.WaitUntil(..., now + milliseconds(1));
//             clock.Leave();
//
// A wait that ends with the next tick counts as one of a member, whatever its
// thread; a longer one is that of somebody who looks on. The last member to
// wait moves the time on.

#ifndef EPLB_TESTING_LOCKSTEP_CLOCK_H_
#define EPLB_TESTING_LOCKSTEP_CLOCK_H_

#include <chrono>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "testing/fake_clock.h"

namespace eplb {

// Thread-safe. Outlives every WaitUntil.
class LockstepClock final : public Clock {
 public:
  explicit LockstepClock(std::chrono::nanoseconds tick) : tick_(tick) {}

  // As long as nobody has joined, each wait for the next tick is a tick.
  void Join(int num_members);
  // The caller holds no mutex that somebody waits with.
  void Leave();

  // Moves the time on although members may not be waiting. The caller holds no
  // mutex that somebody waits with.
  void AdvanceClock(std::chrono::nanoseconds duration);

  SteadyTime Now() const override;
  // Lets go of `mutex` where it moves the time on.
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

 private:
  // Whether the caller is to move the time on.
  bool BeginsTick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::chrono::nanoseconds tick_;
  FakeClock time_;
  // Locked after a waiter's mutex, never before, and by itself.
  absl::Mutex mutex_;
  int num_members_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace eplb

#endif  // EPLB_TESTING_LOCKSTEP_CLOCK_H_
