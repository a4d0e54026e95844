// CommitFence: between the serving thread, which steps, and the worker, which
// agrees with other ranks on the step at which layers switch. The fence keeps
// the serving thread from passing a step that may turn out to be the one.
//
//   // Worker:
//   const int64_t fence = commit_fence.Raise(/*margin=*/1);
//   const auto commit_step = MaximumOverRanks(fence);     // Round 2.
//   commit_fence.Commit(unit, commit_step);
//
//   // Serving thread, at the end of each step:
//   EPLB_ASSIGN_OR_RETURN(const std::vector<int64_t> due,
//                         commit_fence.Pass(forward_id, deadline));
//   for (int64_t unit : due) {
//     ...  // Switch.
//     commit_fence.Switched(unit);
//   }
//
// Why nobody switches late: Raise sets the fence after the last step that the
// serving thread has passed, and Pass stops at the first step from the fence
// on until the outcome is known. The commit step is the maximum of all fences,
// so it is not before this rank's.

#ifndef EPLB_STATE_BACKGROUND_COMMIT_FENCE_H_
#define EPLB_STATE_BACKGROUND_COMMIT_FENCE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe: one serving thread, one worker.
class CommitFence {
 public:
  // Told once per wait, by the serving thread, when it has waited for a sixth
  // of its time: the step it stands at and how long. May call what anybody may.
  using SlowWait =
      std::function<void(int64_t forward_id, std::chrono::nanoseconds waited)>;

  struct Waits {
    int64_t count = 0;
    std::chrono::nanoseconds total{0};
    std::chrono::nanoseconds longest{0};
  };

  // `passed` is the last forward id before the first Pass. The clock outlives
  // the fence.
  CommitFence(Clock& clock, int64_t passed, SlowWait slow_wait = nullptr)
      : clock_(clock), passed_(passed), slow_wait_(std::move(slow_wait)) {}

  // --- The worker ---

  // Sets the fence `margin` steps after the last passed one, but not before
  // step `not_before`, and returns it. FailedPrecondition while a fence is up
  // or after Break. `margin` is at least 1: a fence on a step that has passed
  // stops nobody.
  absl::StatusOr<int64_t> Raise(int64_t margin, int64_t not_before = 0);

  // Lowers the fence: `unit` switches at the first step from `commit_step` on.
  // FailedPrecondition when no fence is up, or it stands later than that.
  absl::Status Commit(int64_t unit, int64_t commit_step);

  // Lowers the fence: nothing was agreed.
  void Withdraw();

  // The outcome is not known, and will not be in this epoch: from the fence on
  // every Pass returns `doubt` at once, until Commit or Withdraw.
  void Doubt(absl::Status doubt);

  // From now on every Pass returns `reason`: for a worker that ends by an error
  // while its fence is up. The first reason stays.
  void Break(absl::Status reason);

  // Blocks until the serving thread has switched `unit`. DeadlineExceeded, or
  // the reason of Break; Cancelled as soon as `give_up`, which is asked again
  // after Wake.
  absl::Status AwaitSwitch(
      int64_t unit, SteadyTime deadline,
      absl::FunctionRef<bool()> give_up = [] { return false; });

  // --- The serving thread ---

  // Ends step `forward_id`, higher than the one before. Returns the units that
  // switch now, in the order of their agreements; none in nearly all steps.
  // Waits only at the fence; DeadlineExceeded when the outcome is not known in
  // time. After an error the step is not passed and may be tried again.
  absl::StatusOr<std::vector<int64_t>> Pass(int64_t forward_id,
                                            SteadyTime deadline);

  // All units agreed up to `last_unit`, whatever their step, in the order of
  // their agreements: for a drain, which all ranks do at one step.
  std::vector<int64_t> TakeAgreed(int64_t last_unit);

  // Has a waiting worker ask whether to give up.
  void Wake();

  // `unit`, which Pass or TakeAgreed returned, has switched. Wakes the worker
  // only where it waits for this one: that takes longer than all else here.
  void Switched(int64_t unit);

  // --- Anybody ---

  Waits waits() const;
  // Units agreed and not yet switched.
  int num_pending() const;
  // The last forward id that has passed.
  int64_t passed() const;

 private:
  struct Agreed {
    int64_t unit;
    int64_t commit_step;
    bool is_switching = false;
  };

  absl::Status AwaitOutcome(int64_t forward_id, SteadyTime deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a step is held up by the fence.
  bool Stops(int64_t forward_id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return fence_.has_value() && forward_id >= *fence_;
  }
  void Lower() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  int64_t passed_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> fence_ ABSL_GUARDED_BY(mutex_);
  absl::Status doubt_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
  std::vector<Agreed> agreed_ ABSL_GUARDED_BY(mutex_);
  // What the worker waits for or has last waited for; 0 before.
  int64_t awaited_ ABSL_GUARDED_BY(mutex_) = 0;
  Waits waits_ ABSL_GUARDED_BY(mutex_);
  const SlowWait slow_wait_;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_COMMIT_FENCE_H_
