// Clock: the time that deadlines are measured by, injected so that tests can
// move it by hand (testing/fake_clock.h).
//
//   const SteadyTime deadline = clock.Now() + std::chrono::seconds(30);
//   absl::MutexLock lock(&mutex_);
//   while (!done_) {
//     if (clock.WaitUntil(changed_, mutex_, deadline)) return LateError();
//   }

#ifndef EPLB_CORE_CLOCK_H_
#define EPLB_CORE_CLOCK_H_

#include <chrono>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

// A point of time that no change of the calendar moves.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock,
                                           std::chrono::nanoseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual SteadyTime Now() const = 0;

  // Waits on `changed` until it is signalled or `deadline` has passed; returns
  // whether it has passed. May return early: callers wait in a loop over their
  // own condition. `mutex` is held at call and return.
  virtual bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                         SteadyTime deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

// The clock of the machine. Thread-safe.
class SystemClock final : public Clock {
 public:
  SteadyTime Now() const override;
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

}  // namespace eplb

#endif  // EPLB_CORE_CLOCK_H_
