// StoppableConnect: a wish to stop ends the wait for ranks that do not come.
// A factory knows of its deadline only, so its clock is set forward.
//
//   StoppableConnect connect(clock, stop);
//   EPLB_ASSIGN_OR_RETURN(auto factory, GlooCommunicatorFactory::Create(
//                                           options, store, connect.clock()));
//   connect.UseFactory(*factory);
//   ... connect.Connect(/*epoch=*/1, members, deadline) ...

#ifndef EPLB_TOOLS_RUN_STOPPABLE_CONNECT_H_
#define EPLB_TOOLS_RUN_STOPPABLE_CONNECT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "tools/run/stop_signal.h"

namespace eplb {

// One call of Connect at a time.
class StoppableConnect final : public CommunicatorFactory {
 public:
  // Where all ranks are there, they may still meet so long after the wish, and
  // stop together. Less than the second that mpirun gives its processes.
  static constexpr auto kGrace = std::chrono::milliseconds(500);

  // Both outlive it.
  StoppableConnect(Clock& clock, const StopSignal& stop)
      : clock_(clock, stop) {}

  // For the factory and all that it waits with; `clock` except during Connect.
  Clock& clock() { return clock_; }

  // To be called before Connect; `factory` outlives that.
  void UseFactory(CommunicatorFactory& factory) { factory_ = &factory; }

  // DeadlineExceeded too when the wish to stop came before the ranks.
  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override;

 private:
  // Between Begin and End, from kGrace after the wish on, it is past
  // `deadline`. Thread-safe.
  class StoppableClock final : public Clock {
   public:
    StoppableClock(Clock& clock, const StopSignal& stop)
        : clock_(clock), stop_(stop) {}

    void Begin(SteadyTime deadline) { deadline_ = deadline; }
    void End() { deadline_ = kNotConnecting; }

    SteadyTime Now() const override;
    bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                   SteadyTime deadline) override
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

   private:
    static constexpr SteadyTime kNotConnecting = SteadyTime::max();

    Clock& clock_;
    const StopSignal& stop_;
    std::atomic<SteadyTime> deadline_ = kNotConnecting;
    // When the wish was first seen here.
    mutable std::atomic<SteadyTime> stopped_at_ = SteadyTime::max();
  };

  StoppableClock clock_;
  CommunicatorFactory* factory_ = nullptr;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_STOPPABLE_CONNECT_H_
