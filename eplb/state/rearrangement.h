// Rearrangement: plans, compares the plans of all ranks, and moves the weights,
// in the thread that calls.
//
// The phases are calls of their own, so that a background worker can run those
// that need no serving thread: Plan, then the units of each model.

#ifndef EPLB_STATE_REARRANGEMENT_H_
#define EPLB_STATE_REARRANGEMENT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/state/device_times.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/group.h"
#include "eplb/state/model_set.h"
#include "eplb/state/rearrangement_plan.h"
#include "kernels/device.h"
#include "policies/placement_policy.h"

namespace eplb {

// What a rearrangement works with. Borrowed.
struct RearrangementContext {
  const EplbConfig* config = nullptr;
  const PlacementPolicy* policy = nullptr;
  Group* group = nullptr;
  ModelSet* models = nullptr;
  EventSink* events = nullptr;  // May be null.
  // Of the serving thread; null in the background, where it does not wait.
  Stream* stream = nullptr;
  // May be null.
  DeviceTimes* device_times = nullptr;
  int64_t forward_id = 0;
  int64_t overdue_steps = 0;
};

// One rearrangement of all models. Thread-compatible.
class Rearrangement {
 public:
  // `topology` is the group's, with the ranks that leave inactive.
  Rearrangement(const RearrangementContext& context, const Topology& topology,
                PlanOptions options);

  // Plans every model from its loads. An error, on all ranks, when a policy
  // fails on one (that error) or the plans of ranks differ
  // (FailedPrecondition); then nothing is to be moved.
  absl::Status Plan(absl::Span<const ExpertLoads> loads_of_model);

  // Moves the weights as planned and publishes each layer as it switches.
  // After an error the layers that have switched stay so.
  absl::Status Move();

  const RearrangementPlan& plan(int model) const { return plans_[model]; }
  // What is to be moved, per model.
  const std::vector<ShuffleUnits>& units_of_model() const {
    return units_of_model_;
  }

  // Reports every model as done, or skipped where its plan says so: for an
  // owner that has moved the weights itself.
  void ReportDone();

  // Reports what came of it, of every model that was not done.
  void ReportFailure(const absl::Status& status);
  void ReportSkip(const absl::Status& status);

 private:
  absl::Status PlanLocally(absl::Span<const ExpertLoads> loads_of_model);
  absl::Status PlanUnits();
  uint64_t PlannedHash() const;
  absl::Status MoveModel(int model);
  void ReportDone(int model);
  bool is_in_background() const { return context_.stream == nullptr; }
  double SecondsSince(SteadyTime begin) const;
  void Record(const Event& event);

  const RearrangementContext context_;
  const Topology topology_;
  const PlanOptions options_;
  // Of what the next model reports.
  SteadyTime begin_;
  std::vector<RearrangementPlan> plans_;
  std::vector<ShuffleUnits> units_of_model_;
  int num_done_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_REARRANGEMENT_H_
