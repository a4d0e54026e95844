// FakeClock: a clock that stands still until a test moves it.
//
//   FakeClock clock;
//   std::thread waiter([&] { ... clock.WaitUntil(...) ... });
//   clock.WaitForWaiters(1);
//   clock.AdvanceClock(std::chrono::seconds(30));  // The waiter goes on.

#ifndef EPLB_TESTING_FAKE_CLOCK_H_
#define EPLB_TESTING_FAKE_CLOCK_H_

#include <chrono>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe. Outlives every WaitUntil.
class FakeClock final : public Clock {
 public:
  // Not the epoch, so that a time that nobody set shows.
  static constexpr SteadyTime kStart{std::chrono::hours(24)};

  explicit FakeClock(SteadyTime now = kStart) : now_(now) {}
  FakeClock(const FakeClock&) = delete;
  FakeClock& operator=(const FakeClock&) = delete;

  SteadyTime Now() const override;

  // Returns after `changed` was signalled or AdvanceClock reached `deadline`.
  // May let go of `mutex` once more after it was woken.
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Moves the time on, by nothing or more, and wakes those whose deadline has
  // come. The caller holds no mutex that somebody waits with. A waiter's mutex
  // and condition variable are left alone once its WaitUntil has returned.
  void AdvanceClock(std::chrono::nanoseconds duration);

  // Blocks until at least `count` calls of WaitUntil are waiting. Calls whose
  // deadline has come no longer count; calls that have been signalled do, until
  // their thread has run. So let nobody be on the way out of an earlier wait:
  // have the threads meet elsewhere (std::barrier) after it.
  void WaitForWaiters(int count);

 private:
  struct Waiter {
    absl::CondVar* changed;
    absl::Mutex* mutex;
    SteadyTime deadline;
    // AdvanceClock is about to use `changed` and `mutex`.
    bool is_being_woken = false;
  };

  // Locked after a waiter's mutex, never before.
  mutable absl::Mutex mutex_;
  absl::CondVar waiters_grew_;
  absl::CondVar wakeup_done_;
  SteadyTime now_ ABSL_GUARDED_BY(mutex_);
  // On the stacks of the waiting threads.
  std::vector<Waiter*> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAKE_CLOCK_H_
