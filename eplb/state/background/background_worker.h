// BackgroundWorker: the thread that plans, stages and agrees while the engine
// serves.
//
//   BackgroundWorker worker(parts, channels);
//   std::thread thread([&] { worker.Run(); });
//   ...
//   worker.Stop();
//   thread.join();
//
// It obeys BackgroundOrders in their order, which is the same on all ranks. A
// run goes unit by unit: stage, vote, agree on the step (UnitAgreement); the
// serving thread switches. After a failure it opens an epoch with all other
// workers, as soon as they can be reached, settles what was in doubt, and
// agrees when the run counts as ended. Where it has no means to connect, it
// only drains from then on.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_WORKER_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_WORKER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_orders.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/checkpoint.h"
#include "eplb/state/background/unit_agreement.h"

namespace eplb {

class BackgroundWorker {
 public:
  // Speaks through `channels` until the first failure. The parts outlive the
  // worker.
  BackgroundWorker(BackgroundParts& parts, ShuffleChannels channels)
      : parts_(parts), agreement_(parts), channels_(std::move(channels)) {}

  // Returns after Stop, or when this rank cannot go on; then no step passes any
  // more. Called once.
  void Run();

  // Has Run return soon: within the timeout of an operation. Thread-safe.
  void Stop();

  // The ranks whose workers this one waits for; itself when it waits for none,
  // and none while there is no connection. Thread-safe.
  std::vector<int> SilentRanks() const;

 private:
  // What a run is at.
  struct RunState {
    int64_t staged_from_version = 0;
    bool is_short_of_room = false;
    RunReport report;
  };

  absl::Status Obey(const BackgroundOrder& order);
  void ObeyAlone(const BackgroundOrder& order);
  absl::Status RunTask(const TaskOrder& order);
  // Has all ranks skip the same tasks where too many wait.
  absl::Status AgreeOnTasks();
  absl::Status AgreeOnDrain(const DrainOrder& order);
  absl::Status Rearrange(const RunOrder& order);
  absl::Status MoveUnits(const RunOrder& order, RunState& run);
  absl::Status MoveUnit(int model,
                        const std::shared_ptr<const ShuffleUnit>& unit,
                        RunState& run);
  absl::Status StageUnit(int model,
                         const std::shared_ptr<const ShuffleUnit>& unit);

  // Meets the other workers, does what they are all ready to do, and notes in
  // `run` why it ends, if so. `weights_version` is what the others are told:
  // where it is also what the run stages from, it is read once, or a change in
  // between ends the run on this rank alone.
  absl::Status Meet(Checkpoint::Wish wish, int64_t weights_version,
                    RunState& run);
  absl::Status EndRun();

  // Deals with what has failed while the worker obeyed `order`.
  void Overcome(const absl::Status& failure, const BackgroundOrder& order);
  // Connects until it succeeds or the worker is stopped, and agrees on the end
  // of what has failed.
  void Recover();
  absl::Status OpenNextEpoch(SteadyTime deadline);

  ShuffleChannels channels() const ABSL_LOCKS_EXCLUDED(mutex_);
  void UseChannels(ShuffleChannels channels) ABSL_LOCKS_EXCLUDED(mutex_);
  void AbortChannels(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mutex_);

  BackgroundParts& parts_;
  UnitAgreement agreement_;
  uint64_t attempt_ = 0;
  int tasks_since_meeting_ = 0;
  // The last step after which some rank has drained, as far as this one knows,
  // and the last agreed unit when this rank last began to.
  int64_t last_drain_ = Checkpoint::kNeverDrained;
  int64_t last_unit_before_drain_ = 0;
  // Why the others cannot be reached any more.
  absl::Status lost_;
  mutable absl::Mutex mutex_;
  ShuffleChannels channels_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_WORKER_H_
