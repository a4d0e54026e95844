// BackgroundOrders: what the serving thread wants of the worker, in the order
// in which it wants it, and what the worker has to tell the serving thread.
//
// Steps are the same on all ranks, so the orders are as well; only how far a
// serving thread is ahead of its worker differs.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_ORDERS_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_ORDERS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/run_schedule.h"

namespace eplb {

// Plans a run, over the worker's channels, alike on all ranks: the units of
// every model, in the order of the worker's shufflers. None for a run that has
// nothing to do. Owns what it needs of the step that ordered it.
using PlanRun = std::function<absl::StatusOr<std::vector<ShuffleUnits>>(
    const ShuffleChannels& channels)>;

// A collective that belongs to a step, such as the sums of its statistics.
using StepTask = std::function<absl::Status(const ShuffleChannels& channels)>;

struct RunOrder {
  int64_t step = 0;
  PlanRun plan = nullptr;
};
struct TaskOrder {
  int64_t step = 0;
  StepTask task = nullptr;
};
struct DrainOrder {
  int64_t step = 0;
  int64_t number = 0;
};
using BackgroundOrder = std::variant<RunOrder, TaskOrder, DrainOrder>;

// Thread-safe: one serving thread, one worker.
class BackgroundOrders {
 public:
  // `idle_wait` bounds each wait of an idle worker. The clock outlives it.
  BackgroundOrders(Clock& clock, std::chrono::nanoseconds idle_wait)
      : clock_(clock), idle_wait_(idle_wait) {}

  // --- The serving thread ---

  // Whether a run begins at `step`, as RunSchedule says; then StartRun follows.
  bool BeginsAt(int64_t step, bool at_interval);
  int64_t overdue_steps() const;
  void StartRun(RunOrder order);
  void AddTask(TaskOrder order);

  // Has the worker end its run and agree with all others that they drain at
  // `step`; AwaitDrain waits for that, and returns the last agreed unit that
  // was before the drain.
  void BeginDrain(int64_t step);
  absl::StatusOr<int64_t> AwaitDrain(SteadyTime deadline);
  // Takes the drain back that AwaitDrain has given up. False when the worker
  // has begun it.
  bool WithdrawDrain();

  // The engine has rewritten weights.
  void ChangeWeights() { ++weights_version_; }

  // The step at which the run ends has come.
  void EndRun(int64_t closing, int64_t last_begin);
  void Drained(int64_t step, bool is_closing);

  // What has failed since the last call; OK for nothing.
  absl::Status TakeFailure();

  // --- The worker ---

  // The next order, when there is one; nullopt after Stop.
  std::optional<BackgroundOrder> Take();
  // The next order, if it is a task of a step up to `step`.
  std::optional<TaskOrder> TakeTask(int64_t step);
  // The next order, if it is a drain after `step`.
  std::optional<DrainOrder> TakeDrain(int64_t step);

  // The last step with a task, and the last one whose task was taken; -1.
  int64_t newest_task() const;
  int64_t last_task_taken() const;

  bool is_draining() const;
  void FinishDrain(const DrainOrder& order, absl::StatusOr<int64_t> last_unit);

  // The first failure that the serving thread has not taken stays.
  void ReportFailure(absl::Status status);

  struct Closing {
    int64_t number = 0;
    int64_t last_begin = -1;
  };
  Closing BeginClosing();
  // Forgets runs up to `run` and tasks up to `task`: other ranks have begun
  // and lost them.
  void ForgetUpTo(int64_t run, int64_t task);

  // Drops tasks of steps up to `step`, as if they had been taken, but for the
  // newest `num_left`.
  void SkipTasks(int64_t step, int num_left);

  // Returns at `until`, or earlier when stopped.
  void Rest(SteadyTime until);

  void SayEnded();

  // --- Anybody ---

  int64_t weights_version() const { return weights_version_; }
  bool is_busy() const;

  void Stop();
  bool is_stopped() const { return is_stopped_; }
  // Whether the worker has ended by `deadline`.
  bool AwaitEnd(SteadyTime deadline);

 private:
  Clock& clock_;
  const std::chrono::nanoseconds idle_wait_;
  std::atomic<int64_t> weights_version_ = 0;
  std::atomic<bool> is_stopped_ = false;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  RunSchedule schedule_ ABSL_GUARDED_BY(mutex_);
  std::deque<BackgroundOrder> orders_ ABSL_GUARDED_BY(mutex_);
  int64_t newest_task_ ABSL_GUARDED_BY(mutex_) = -1;
  int64_t last_task_taken_ ABSL_GUARDED_BY(mutex_) = -1;
  int64_t forgotten_run_ ABSL_GUARDED_BY(mutex_) = -1;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // Drains are numbered; the serving thread waits for at most one.
  int64_t last_drain_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<int64_t> awaited_drain_ ABSL_GUARDED_BY(mutex_);
  absl::StatusOr<int64_t> drained_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_ORDERS_H_
