// BackgroundBalancer: the models of a state rearranged in the background: what
// the worker is to plan and to report, and the thread that it runs in.
//
//   // Created with the state; started when the engine has profiled.
//   balancer->Start(forward_id);
//   // At the end of each step:
//   EPLB_RETURN_IF_ERROR(balancer->Pass(forward_id, stream));
//   EPLB_RETURN_IF_ERROR(balancer->MayBegin(forward_id, at_interval));

#ifndef EPLB_STATE_BACKGROUND_BALANCER_H_
#define EPLB_STATE_BACKGROUND_BALANCER_H_

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/group.h"
#include "eplb/state/model_set.h"
#include "eplb/state/rearrangement.h"
#include "kernels/device.h"
#include "policies/placement_policy.h"

namespace eplb {

// Borrowed.
struct BackgroundBalancerContext {
  const EplbConfig* config = nullptr;
  const PlacementPolicy* policy = nullptr;
  ModelSet* models = nullptr;
  Device* device = nullptr;
  EventSink* events = nullptr;  // May be null.
};

// The serving thread calls, but for Shutdown and metrics.
class BackgroundBalancer {
 public:
  // `group` is the worker's own.
  BackgroundBalancer(const BackgroundBalancerContext& context,
                     std::unique_ptr<Group> group)
      : context_(context), group_(std::move(group)) {}
  ~BackgroundBalancer();

  // Starts the worker, for the models that are there. `forward_id` is that of
  // the last step.
  void Start(int64_t forward_id);
  bool is_started() const { return background() != nullptr; }

  // Ends step `forward_id`, and switches what is due.
  absl::Status Pass(int64_t forward_id, Stream& stream);
  // Hands the loads to the worker when a run begins. Returns what has failed in
  // the background since the last call.
  absl::Status MayBegin(int64_t forward_id, bool at_interval);

  // Has the worker sum up and report what the ranks counted in a step.
  struct Passes {
    std::vector<int64_t> counts;  // As LoadSums collects them.
    bool with_windows = false;
    int64_t steps_until_rearrangement = 0;
  };
  void AddStatistics(int64_t forward_id, Passes passes);

  // As BackgroundRearrangement; nothing where it was not started.
  absl::Status Drain(int64_t forward_id, Stream& stream);
  void WeightsChanged();

  // Ends the worker, after a drain, so that the group can change.
  // DeadlineExceeded when it does not end within the timeout; it may be called
  // again.
  absl::Status Stop();
  // The worker's group, while it does not run.
  Group& group() { return *group_; }

  // From any thread.
  absl::Status Shutdown();
  BackgroundMetrics metrics() const;

 private:
  std::shared_ptr<BackgroundRearrangement> background() const {
    absl::MutexLock lock(&mutex_);
    return background_;
  }
  absl::Status Publish(int model, const ShuffleUnit& unit, Stream& stream);

  // In the worker.
  absl::StatusOr<std::vector<ShuffleUnits>> Plan(int64_t forward_id,
                                                 int64_t overdue_steps,
                                                 std::vector<int64_t> windows);
  absl::Status Report(int64_t forward_id, Passes passes,
                      const std::vector<Placement>& placements);
  void ReportRun(const RunReport& report);

  const BackgroundBalancerContext context_;
  const std::unique_ptr<Group> group_;
  // For the serving thread: the worker may be connecting the group anew.
  int rank_ = 0;
  mutable absl::Mutex mutex_;
  std::shared_ptr<BackgroundRearrangement> background_ ABSL_GUARDED_BY(mutex_);
  std::thread worker_;
  // Of the worker: the run that it is at.
  std::unique_ptr<Rearrangement> run_;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BALANCER_H_
