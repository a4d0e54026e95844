// BackgroundRearrangement: experts move while the engine serves. What the
// serving thread calls once a step; the rest happens in the worker.
//
//   BackgroundRearrangement background(options, dependencies, channels,
//                                      /*passed=*/forward_id);
//   std::thread worker([&] { background.Run(); });
//
//   // At the end of each step, in the serving thread:
//   EPLB_RETURN_IF_ERROR(background.Pass(forward_id, stream, publish));
//   if (background.BeginsRun(forward_id, at_interval)) {
//     background.StartRun(forward_id, plan);
//   }
//   absl::Status news = background.TakeFailure();
//
// No call of a step waits for another rank, or for the worker but at the fence
// (commit_fence.h). docs/async.md has the protocol and why it is safe.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_REARRANGEMENT_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_REARRANGEMENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_orders.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_worker.h"
#include "eplb/state/background/commit_fence.h"
#include "eplb/state/background/stall_histogram.h"
#include "kernels/device.h"

namespace eplb {

struct BackgroundMetrics {
  // Of the serving thread, in Pass.
  StallHistogram::Counts stalls;
  CommitFence::Waits fence_waits;
  int layers_pending = 0;
  std::chrono::nanoseconds oldest_staged_age{0};
  int64_t bytes_staged = 0;     // Received.
  double bytes_per_second = 0;  // While staging.
};

// Makes a switched unit of a model visible (PublishUnit).
using PublishSwitch =
    absl::FunctionRef<absl::Status(int model, const ShuffleUnit& unit)>;

// Thread-safe in this way: one serving thread, one thread in Run; Shutdown and
// metrics from any. All ranks make the same calls at the same steps.
class BackgroundRearrangement {
 public:
  // `options` are valid. `passed` is the last forward id so far.
  BackgroundRearrangement(const BackgroundOptions& options,
                          BackgroundDependencies dependencies,
                          ShuffleChannels channels, int64_t passed)
      : parts_(options, std::move(dependencies), passed,
               [this](int64_t step, std::chrono::nanoseconds waited) {
                 TellSlowWait(step, waited);
               }),
        worker_(parts_, std::move(channels)) {}

  // The worker: binds itself to the device and returns after Shutdown, or when
  // this rank cannot go on. Called once, from a thread of its own.
  void Run() { worker_.Run(); }

  // --- The serving thread ---

  // Ends step `forward_id`, higher than the one before, and switches what is
  // due, on `stream`. After an error the step is not passed: Unavailable when a
  // switch is in doubt, DeadlineExceeded when the fence did not open in time
  // (both may be tried again), otherwise this rank can serve no more.
  absl::Status Pass(int64_t forward_id, Stream& stream, PublishSwitch publish);

  // Whether a run begins at this step, which has passed: at the interval, or
  // later when another run was busy then (overdue_steps). If so StartRun
  // follows.
  bool BeginsRun(int64_t forward_id, bool at_interval) {
    return parts_.orders.BeginsAt(forward_id, at_interval);
  }
  int64_t overdue_steps() const { return parts_.orders.overdue_steps(); }
  void StartRun(int64_t forward_id, PlanRun plan) {
    parts_.orders.StartRun({forward_id, std::move(plan)});
  }

  // Has the worker make a collective of this step; at most one per step.
  void AddTask(int64_t forward_id, StepTask task) {
    parts_.orders.AddTask({forward_id, std::move(task)});
  }

  // Tells of a failure that is none of the group. For a task, of its step.
  void ReportFailure(int64_t step, const absl::Status& status) {
    parts_.TellFailure(step, status);
    parts_.orders.ReportFailure(status);
  }

  // What has failed in the background since the last call, once. The old
  // placement goes on serving.
  absl::Status TakeFailure();

  // Collective, after step `forward_id`: what is agreed switches now, the rest
  // is dropped, and the worker is idle on all ranks. After an error no step
  // passes until a drain succeeds, unless the worker, which cannot reach the
  // others, had not begun it. Where the ranks cannot connect anew, each drains
  // by itself.
  absl::Status Drain(int64_t forward_id, Stream& stream, PublishSwitch publish);

  // The engine has rewritten weights, after the same step on all ranks:
  // whatever was staged or agreed but not switched is dropped on all ranks.
  void WeightsChanged() { parts_.orders.ChangeWeights(); }

  // --- Anybody ---

  // Local. Ends the worker, and every step from now on fails; nothing switches
  // any more. DeadlineExceeded when the worker has not ended within the
  // timeout. May be called more than once, and in the middle of anything.
  absl::Status Shutdown();

  // Whether a run is under way.
  bool is_busy() const { return parts_.orders.is_busy(); }

  BackgroundMetrics metrics() const;

 private:
  absl::Status SwitchUnit(int64_t number, Stream& stream,
                          PublishSwitch publish);
  void TellSlowWait(int64_t step, std::chrono::nanoseconds waited);

  BackgroundParts parts_;
  BackgroundWorker worker_;
  StallHistogram stalls_;
  // Of the serving thread: a drain that is to be repeated.
  absl::Status failed_drain_;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_REARRANGEMENT_H_
