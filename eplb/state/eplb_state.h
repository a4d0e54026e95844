// EplbState: the balancer that an engine links. It watches how many tokens
// each expert gets, decides where replicas go, and moves their weights between
// ranks while the model serves.
//
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<EplbState> state,
//                         EplbState::Create(config, dependencies));
//   EPLB_RETURN_IF_ERROR(state->AddModel("main", shape, weights));
//   const LayerView view = state->layer_view(/*model=*/0, layer);
//   while (serving) {
//     ... forward pass: routes by view.routes, counts into view.pass_counts ...
//     EPLB_RETURN_IF_ERROR(state->Step());
//   }
//
// All ranks of the group make the same calls in the same order. docs/state.md
// has the order of a step and what each error means.

#ifndef EPLB_STATE_EPLB_STATE_H_
#define EPLB_STATE_EPLB_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/background_balancer.h"
#include "eplb/state/device_times.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/group.h"
#include "eplb/state/joining_state.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"
#include "eplb/state/model_set.h"
#include "eplb/state/rearrangement_counter.h"
#include "eplb/state/rearrangement_plan.h"
#include "kernels/device.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"

namespace eplb {

// What differs between deployments. The pointers outlive the state, but for
// the communicators, which are borrowed by Create.
struct EplbDependencies {
  // Tells states of one process apart; the same on all ranks.
  std::string name = "eplb";

  // The state clones its channels from these, over all members. `control`
  // carries loads and decisions and serves host memory; `data`, which carries
  // weights, is `control` when null.
  Communicator* control = nullptr;
  Communicator* data = nullptr;
  // Whether `data` moves memory of the device.
  bool data_serves_device = false;

  // Which ranks of the job the communicators connect, and their epoch; none:
  // ranks 0 to control->size() - 1.
  GroupMembers members = {};
  // The node of each rank of the job; empty: all on one.
  std::vector<int> node_of_job_rank = {};

  // Connect the ranks anew after a failure and for a resize. Factories of this
  // state alone: it takes epochs after that of `members` as it needs them. May
  // be null; then a failure of the channels is final. `data_factory` is
  // `control_factory` when null.
  CommunicatorFactory* control_factory = nullptr;
  CommunicatorFactory* data_factory = nullptr;

  // The same for the worker of use_async, with epochs of their own: factories
  // that number theirs apart from those above.
  CommunicatorFactory* background_control_factory = nullptr;
  CommunicatorFactory* background_data_factory = nullptr;
  // The caller vouches that operations of the worker's NCCL channel and all
  // other NCCL operations of the process are issued in one order on all ranks.
  // Without that NCCL is refused for use_async: two threads that issue them
  // deadlock.
  bool data_has_dedicated_order = false;

  const PolicyRegistry* policies = nullptr;
  Device* device = nullptr;
  Clock* clock = nullptr;
  EventSink* events = nullptr;  // May be null.
};

// For a model that does not start with the initial placement.
struct StartingLoads {
  const ExpertLoads* loads = nullptr;
  // What the slots hold: with a mapping, the slots of the old group.
  const Placement* placement = nullptr;
  // Which rank of this group an old one is; null: they are the same.
  const RankMapping* rank_mapping = nullptr;
};

struct StepOptions {
  // Of the forward pass, the same on all ranks; none: one more than the last.
  std::optional<int64_t> forward_id = std::nullopt;
  // The pass processed nothing that counts.
  bool is_dummy = false;
  // The pass was made to find out how much memory is needed.
  bool is_profile = false;
  // Report how even the loads are, as if log_balancedness were set. The same
  // on all ranks.
  bool log_stats = false;
  // The engine's, on which it has handed over this pass and will the next: what
  // the step switches comes between them. Null: one of the state's own, where
  // the engine's work is done before it calls.
  Stream* stream = nullptr;
};

// A resize of the group.
struct ResizeOptions {
  // Every present rank for a shrink, to the new ranks; for a growth the old
  // ranks, to those of the new group.
  const RankMapping* rank_mapping = nullptr;
  // The group afterwards.
  GroupMembers members;
};

struct RearrangeOptions {
  // As in StepOptions: touches the largest buffers and changes nothing.
  bool profile = false;
  // False: only sums up the loads.
  bool execute_shuffle = true;
  // In the place of what was recorded, per model in the order of AddModel.
  absl::Span<const ExpertLoads> global_loads = {};
  // Null: the group stays.
  const ResizeOptions* resize = nullptr;
  // As in StepOptions.
  Stream* stream = nullptr;
};

// A model of a rank that joins a group.
struct JoiningModel {
  std::string name;
  ExpertWeights weights;
  ModelOptions options = {};
};

// Thread-compatible: the serving thread calls.
class EplbState {
 public:
  // FailedPrecondition, on all ranks, when their configurations differ.
  // For use_async InvalidArgument when weights would go over NCCL.
  static absl::StatusOr<std::unique_ptr<EplbState>> Create(
      EplbConfig config, const EplbDependencies& dependencies);

  ~EplbState();

  // Adds a model, whose slots hold the initial placement, or else that of
  // `start`, which is balanced at once. Restarts the counter. AlreadyExists
  // for a name that is there; FailedPrecondition when the numbers of experts
  // differ from those of the models that are there, or the ranks add different
  // models; then no rank has the model. An error of balancing it at once leaves
  // it added, where it stands.
  absl::Status AddModel(const std::string& name, const ModelShape& shape,
                        ExpertWeights weights, const ModelOptions& options = {},
                        const StartingLoads* start = nullptr);

  // After every forward pass, on all ranks. In the background mode it does not
  // wait for other ranks; where it returns Unavailable or DeadlineExceeded, and
  // only then, the step has not ended, and the next call goes on with it. What
  // has failed elsewhere meanwhile is told when the step ends, as Aborted with
  // the status in the message where that is one of these (docs/async.md).
  absl::Status Step(const StepOptions& options = {});

  // Starts rearranging in the background, after all models were added and the
  // engine has profiled. Nothing without use_async, or when it is started.
  // After a resize it is to be started again.
  absl::Status StartBackground();

  // Collective, after the same step: layers that are agreed on switch, the rest
  // of a run is dropped. Where nothing runs in the background it only reports
  // the times that the device has come to. `stream` is as in StepOptions.
  absl::Status Drain(Stream* stream = nullptr);

  // The engine has rewritten weights, on all ranks after the same step: what
  // was staged from the old ones is dropped.
  void WeightsChanged();

  // Local, from any thread, any number of times: ends the worker within
  // collective_timeout; every later step fails, and nothing switches any more.
  // Nothing where nothing runs in the background.
  absl::Status Shutdown();

  // From any thread.
  BackgroundMetrics background_metrics() const;

  // Rearranges now, between a step and the next pass. Returns the loads that
  // were planned from, per model in the order of AddModel. A rank that a shrink
  // leaves out is done afterwards, and may be destroyed.
  absl::StatusOr<std::vector<ExpertLoads>> Rearrange(
      const RearrangeOptions& options = {});

  // On a rank that joins: the other end of a growing Rearrange. The state has
  // no models before, and afterwards those of the others, which are named in
  // the same order.
  absl::Status ReceiveState(std::vector<JoiningModel> models);

  // Connects all ranks anew and settles what is in doubt. For a state that
  // says so (Unavailable), on all ranks, when they can be connected again. The
  // next collective call settles it too, where it comes first. `stream` is as
  // in StepOptions.
  absl::Status Recover(Stream* stream = nullptr);

  int num_models() const { return models_.size(); }
  // Addresses hold for the life of the state.
  LayerView layer_view(int model, int layer) const {
    return models_[model].layer_view(layer);
  }
  const Placement& placement(int model) const {
    return models_[model].placement();
  }
  // With the redundancy that a resize has led to.
  const EplbConfig& config() const { return config_; }
  const Topology& topology() const { return group_->topology(); }
  int rank() const { return group_->rank(); }
  // Of the last step; -1 before the first.
  int64_t forward_id() const { return forward_id_; }
  int64_t rearrangement_step() const { return counter_.count(); }
  int64_t steps_until_rearrangement() const {
    return counter_.steps_until_due();
  }

 private:
  EplbState(EplbConfig config, const EplbDependencies& dependencies,
            const PlacementPolicy& policy, std::unique_ptr<Group> group,
            std::unique_ptr<Stream> stream);

  // An error once this rank has left the group, or while it is in doubt and
  // rearranges in the background.
  absl::Status CheckUsable() const;
  ModelContext model_context() const;

  Stream& StreamOr(Stream* engine) {
    return engine == nullptr ? *stream_ : *engine;
  }

  // Gathers the ranks; after a failure in a new epoch, in which what is in
  // doubt is settled, by switches on `stream`. A rank in doubt begins as often
  // as the others, so that all go to the same epochs, and gets the doubt back
  // while it goes on.
  absl::Status Begin(Stream& stream);
  absl::Status OpenEpoch(Stream& stream);
  absl::Status SettleAfterFailure(absl::Status failure, Stream& stream);

  absl::Status CheckModel(const std::string& name, const ModelShape& shape,
                          const ExpertWeights& weights) const;
  absl::StatusOr<std::unique_ptr<Model>> CreateModel(
      const std::string& name, const ModelShape& shape, ExpertWeights weights,
      const ModelOptions& options, const StartingLoads* start);
  absl::Status OpenDump(Model& model);
  // Whether the dump is on is rank 0's to know; all send their windows then.
  absl::Status ShareWhetherDumped(const Model& model);

  absl::Status CreateBackground();
  bool is_in_background() const {
    return background_ != nullptr && background_->is_started();
  }
  // The rest of a step that has counted.
  absl::Status EndStep(Stream& stream);
  absl::Status EndBackgroundStep(Stream& stream);
  // Before something that needs all ranks and models to itself.
  absl::Status StopBackground();
  absl::Status ResizeBackground(const GroupMembers& members);

  absl::Status ReportStatistics(bool is_dummy, Stream& stream);
  absl::Status RecordPasses(Stream& stream);
  absl::Status DropPasses(Stream& stream);
  // Those that the device has come to by now.
  void ReportDeviceTimes();
  absl::Status Profile(Stream& stream);
  absl::Status ProfileChannels(Group& group);

  absl::Status CheckLoads(absl::Span<const ExpertLoads> loads) const;
  // Gathers the ranks and their loads; a failure is that of a rearrangement.
  absl::StatusOr<std::vector<ExpertLoads>> BeginRearrangement(
      const RearrangeOptions& options, Stream& stream, absl::Status& recorded);
  // A pass of this rank that could not be read is missing, and told by
  // `recorded`: the others go on, and so does this rank.
  absl::StatusOr<std::vector<ExpertLoads>> LoadsFor(
      absl::Span<const ExpertLoads> given, absl::Status& recorded);
  // `topology` is that of the group with the ranks that leave inactive.
  absl::Status RearrangeBy(absl::Span<const ExpertLoads> loads,
                           const Topology& topology, PlanOptions options,
                           Stream& stream);

  absl::StatusOr<std::vector<ExpertLoads>> Resize(
      const RearrangeOptions& options);
  absl::StatusOr<std::vector<ExpertLoads>> Grow(
      const RearrangeOptions& options);
  absl::StatusOr<std::vector<ExpertLoads>> Shrink(
      const RearrangeOptions& options);
  // What the ranks of a group that grows tell those that join.
  absl::StatusOr<JoiningState> DescribeModels(
      const RearrangeOptions& options) const;
  // What a rank of a growing group comes back to when the growth fails.
  struct GroupBeforeGrowth {
    GroupMembers members = {};
    int rank = 0;
    int num_redundant_experts = 0;
    std::vector<Placement> placements = {};
  };
  absl::StatusOr<std::vector<ExpertLoads>> JoinWith(
      const ResizeOptions& resize, JoiningState state,
      absl::Span<const ExpertLoads> given, Stream& stream);
  // Returns `failure`, or what was in the way of going back after it.
  absl::Status GoBack(GroupBeforeGrowth before, absl::Status failure,
                      Stream& stream);
  // What all ranks do once they hold the same models, or know by `mine` why
  // this one does not. Returns the loads.
  absl::StatusOr<std::vector<ExpertLoads>> BeginTogether(
      const JoiningState& state, absl::Status mine,
      absl::Span<const ExpertLoads> given, Stream& stream);
  absl::Status AddJoiningModels(const JoiningState& state,
                                std::vector<JoiningModel> joining);
  absl::Status ResizeModels(absl::Span<const Placement> placements,
                            Stream& stream);
  // On rank 0; the others have none.
  absl::Status OpenDumps();
  absl::StatusOr<std::vector<ExpertLoads>> ShareLoads(
      absl::Span<const ExpertLoads> mine);
  absl::Status FinishShrink(const ResizeOptions& resize, Stream& stream);
  void SetRedundancy(int num_redundant_experts);

  EplbConfig config_;
  const EplbDependencies dependencies_;
  const PlacementPolicy& policy_;
  std::unique_ptr<Group> group_;
  std::unique_ptr<Stream> stream_;
  ModelSet models_;
  RearrangementCounter counter_;
  LoadSums load_sums_;
  DeviceTimes device_times_;
  int64_t forward_id_ = -1;
  // With use_async.
  std::unique_ptr<BackgroundBalancer> background_;
  // Whether step forward_id_ has counted but not passed its fence, and whether
  // it is at an interval.
  bool is_held_up_ = false;
  bool is_at_interval_ = false;
  // What has failed in step forward_id_ so far.
  absl::Status step_failure_;
  // Whether rank 0 writes dumps: the others then send it their windows.
  bool with_dump_ = false;
  // Errors once this rank has left the group, and while it is in doubt.
  absl::Status has_left_;
  absl::Status in_doubt_;
};

}  // namespace eplb

#endif  // EPLB_STATE_EPLB_STATE_H_
