#include "eplb/core/clock.h"

#include <chrono>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace eplb {

SteadyTime SystemClock::Now() const { return std::chrono::steady_clock::now(); }

bool SystemClock::WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                            SteadyTime deadline) {
  const SteadyTime now = Now();
  if (deadline <= now) return true;
  changed.WaitWithTimeout(&mutex, absl::FromChrono(deadline - now));
  return Now() >= deadline;
}

}  // namespace eplb
