#include "tools/run/stoppable_connect.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

// A signal wakes nobody who waits on a condition variable.
constexpr auto kLookForWishEvery = std::chrono::milliseconds(50);

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> StoppableConnect::Connect(
    uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) {
  clock_.Begin(deadline);
  const absl::Cleanup end = [this] { clock_.End(); };
  return factory_->Connect(epoch, members, deadline);
}

SteadyTime StoppableConnect::StoppableClock::Now() const {
  const SteadyTime now = clock_.Now();
  const SteadyTime deadline = deadline_;
  if (deadline == kNotConnecting || !stop_.requested()) return now;
  SteadyTime stopped_at = SteadyTime::max();
  if (stopped_at_.compare_exchange_strong(stopped_at, now)) stopped_at = now;
  const auto overdue = now - stopped_at - kGrace;
  // It goes on from there, for waits that begin only now.
  return overdue < kGrace.zero() ? now : std::max(now, deadline + overdue);
}

bool StoppableConnect::StoppableClock::WaitUntil(absl::CondVar& changed,
                                                 absl::Mutex& mutex,
                                                 SteadyTime deadline) {
  if (deadline_.load() == kNotConnecting) {
    return clock_.WaitUntil(changed, mutex, deadline);
  }
  const SteadyTime next_look = clock_.Now() + kLookForWishEvery;
  clock_.WaitUntil(changed, mutex, std::min(deadline, next_look));
  return Now() >= deadline;
}

}  // namespace eplb
