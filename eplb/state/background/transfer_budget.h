// TransferBudget: how many bytes the background may move while the engine
// takes a step, so that it leaves the engine the rest of the links.
//
//   // Serving thread, once a step:
//   budget.Refill();
//   // Worker, before it moves `num_bytes`:
//   budget.Spend(num_bytes, clock.Now() + std::chrono::seconds(10));
//
// The budget refills with time as well: other ranks wait for this one's
// transfers, and must not do so because its engine takes no steps.

#ifndef EPLB_STATE_BACKGROUND_TRANSFER_BUDGET_H_
#define EPLB_STATE_BACKGROUND_TRANSFER_BUDGET_H_

#include <chrono>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe. Begins with the bytes of one step.
class TransferBudget {
 public:
  // Each step, and each `interval` without one, allows `bytes_per_step` more.
  // 0 for no limit. The clock outlives the budget.
  TransferBudget(Clock& clock, int64_t bytes_per_step,
                 std::chrono::nanoseconds interval);

  // A step has ended. What earlier steps allowed and nobody used is gone.
  void Refill();

  // Waits until something is left, then takes `num_bytes`; a transfer larger
  // than what is left puts later ones off. Takes them at `deadline` in any
  // case, and at once after Open.
  void Spend(int64_t num_bytes, SteadyTime deadline);

  // From now on nobody waits.
  void Open();

 private:
  void RefillLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  const int64_t bytes_per_step_;
  const std::chrono::nanoseconds interval_;
  absl::Mutex mutex_;
  absl::CondVar refilled_;
  int64_t left_ ABSL_GUARDED_BY(mutex_);
  SteadyTime last_refill_ ABSL_GUARDED_BY(mutex_);
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_TRANSFER_BUDGET_H_
