// How a state rearranges within its group, and what it does after a failure.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/group.h"
#include "eplb/state/model.h"
#include "eplb/state/rearrangement.h"
#include "eplb/state/rearrangement_plan.h"

namespace eplb {

absl::Status EplbState::Begin(Stream& stream) {
  const uint64_t epoch = group_->epoch();
  absl::Status begun = group_->Begin(forward_id_);
  if (begun.ok() && group_->epoch() != epoch) begun = OpenEpoch(stream);
  // The caller must know of a doubt that goes on, more than of what keeps it.
  return in_doubt_.ok() ? begun : in_doubt_;
}

absl::Status EplbState::OpenEpoch(Stream& stream) {
  for (const std::unique_ptr<Model>& model : models_) {
    const auto outcome = model->shuffler().OpenEpoch(group_->channels());
    EPLB_RETURN_IF_ERROR(group_->Note(outcome.status()));
    if (outcome->unit == nullptr || !outcome->is_committed) continue;
    EPLB_RETURN_IF_ERROR(model->shuffler().Switch(
        *outcome->unit, stream, [&](const ShuffleUnit& unit) {
          return model->Publish(unit, stream, group_->Deadline());
        }));
    EPLB_RETURN_IF_ERROR(stream.Synchronize(group_->Deadline()));
    EPLB_RETURN_IF_ERROR(model->FinishRearrangement());
  }
  in_doubt_ = absl::OkStatus();
  return absl::OkStatus();
}

absl::Status EplbState::SettleAfterFailure(absl::Status failure,
                                           Stream& stream) {
  // At once: a rank that is in doubt must not serve before it knows.
  if (group_->can_connect()) {
    absl::Status settled = group_->Reconnect();
    if (settled.ok()) settled = OpenEpoch(stream);
    if (settled.ok()) return failure;
  }
  for (const std::unique_ptr<Model>& model : models_) {
    if (!model->shuffler().is_in_doubt()) continue;
    in_doubt_ = absl::UnavailableError(absl::StrCat(
        dependencies_.name, ": epoch ", group_->epoch(), ", step ", forward_id_,
        ", model '", model->name(),
        "': this rank does not know whether the others have switched layers "
        "that it agreed to, and does not serve before it does: Recover. The "
        "failure was: ",
        failure.message()));
  }
  return failure;
}

absl::Status EplbState::Recover(Stream* stream) {
  const uint64_t epoch = group_->epoch();
  EPLB_RETURN_IF_ERROR(group_->Begin(forward_id_));
  // Also where this rank saw no failure: others may be in doubt.
  if (group_->epoch() == epoch) EPLB_RETURN_IF_ERROR(group_->Reconnect());
  // What the worker is at, is its own to settle. Where a rank is in doubt no
  // worker is at anything: all have drained before, and it begins no run.
  int64_t num_in_doubt = in_doubt_.ok() ? 0 : 1;
  EPLB_RETURN_IF_ERROR(group_->AllReduceSum({&num_in_doubt, 1}));
  if (num_in_doubt == 0) {
    // An epoch that was not opened is not gone on with.
    EPLB_RETURN_IF_ERROR(group_->Note(Drain(stream)));
  }
  return OpenEpoch(StreamOr(stream));
}

absl::Status EplbState::CheckLoads(absl::Span<const ExpertLoads> loads) const {
  if (static_cast<int>(loads.size()) != models_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("global_loads of ", loads.size(), " models; there are ",
                     models_.size()));
  }
  for (int i = 0; i < models_.size(); ++i) {
    const ModelShape& shape = models_[i].shape();
    if (loads[i].num_layers() != shape.num_layers ||
        loads[i].num_logical_experts() != shape.num_logical_experts) {
      return absl::InvalidArgumentError(absl::StrCat(
          "global_loads of model '", models_[i].name(), "' have ",
          loads[i].num_layers(), " layers and ", loads[i].num_logical_experts(),
          " logical experts; the model has ", shape.num_layers, " and ",
          shape.num_logical_experts));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::LoadsFor(
    absl::Span<const ExpertLoads> given, absl::Status& recorded) {
  if (given.empty()) {
    return load_sums_.SumWindows(models_, *group_, recorded);
  }
  EPLB_RETURN_IF_ERROR(group_->AgreeOn(CheckLoads(given)));
  return std::vector<ExpertLoads>(given.begin(), given.end());
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::BeginRearrangement(
    const RearrangeOptions& options, Stream& stream, absl::Status& recorded) {
  absl::Status begun = Begin(stream);
  if (begun.ok()) {
    auto loads = LoadsFor(options.global_loads, recorded);
    if (loads.ok()) return loads;
    begun = loads.status();
  }
  if (dependencies_.events != nullptr && options.execute_shuffle) {
    for (const std::unique_ptr<Model>& model : models_) {
      dependencies_.events->Record(
          RearrangementFailed{model->name(), forward_id_, begun});
    }
  }
  return begun;
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Rearrange(
    const RearrangeOptions& options) {
  EPLB_RETURN_IF_ERROR(CheckUsable());
  if (!options.execute_shuffle && !options.global_loads.empty()) {
    return absl::InvalidArgumentError(
        "execute_shuffle = false sums up the loads; with global_loads there "
        "is nothing to sum up");
  }
  Stream& stream = StreamOr(options.stream);
  // A run in the background ends first.
  EPLB_RETURN_IF_ERROR(Drain(&stream));
  if (options.profile) {
    EPLB_RETURN_IF_ERROR(Profile(stream));
    return std::vector<ExpertLoads>();
  }
  if (options.resize != nullptr) return Resize(options);
  absl::Status recorded;
  EPLB_ASSIGN_OR_RETURN(std::vector<ExpertLoads> loads,
                        BeginRearrangement(options, stream, recorded));
  if (options.execute_shuffle) {
    EPLB_RETURN_IF_ERROR(RearrangeBy(loads, group_->topology(), {}, stream));
  }
  EPLB_RETURN_IF_ERROR(recorded);
  return loads;
}

absl::Status EplbState::RearrangeBy(absl::Span<const ExpertLoads> loads,
                                    const Topology& topology,
                                    PlanOptions options, Stream& stream) {
  Rearrangement rearrangement(
      {.config = &config_,
       .policy = &policy_,
       .group = group_.get(),
       .models = &models_,
       .events = dependencies_.events,
       .stream = &stream,
       .device_times =
           dependencies_.events == nullptr ? nullptr : &device_times_,
       .forward_id = forward_id_},
      topology, options);
  const absl::Status planned = rearrangement.Plan(loads);
  if (!planned.ok()) {
    // All ranks have said what they think, and go on together.
    if (!group_->has_failed()) {
      rearrangement.ReportSkip(planned);
      return options.is_forced ? planned : absl::OkStatus();
    }
    rearrangement.ReportFailure(planned);
    return planned;
  }
  absl::Status moved = rearrangement.Move();
  ReportDeviceTimes();
  // A rank that knows of the last commit waits for those that may not.
  if (moved.ok()) moved = group_->Barrier();
  if (moved.ok()) return moved;
  rearrangement.ReportFailure(moved);
  return SettleAfterFailure(std::move(moved), stream);
}

void EplbState::ReportDeviceTimes() {
  if (dependencies_.events != nullptr) {
    device_times_.Report(*dependencies_.events);
  }
}

absl::Status EplbState::Profile(Stream& stream) {
  EPLB_RETURN_IF_ERROR(Begin(stream));
  EPLB_RETURN_IF_ERROR(ProfileChannels(*group_));
  // Those of a worker that is not at work with them.
  if (background_ == nullptr || is_in_background()) return absl::OkStatus();
  if (!background_->group().is_connected()) return absl::OkStatus();
  background_->group().set_forward_id(forward_id_);
  return ProfileChannels(background_->group());
}

absl::Status EplbState::ProfileChannels(Group& group) {
  // The largest collective of loads, then the largest exchange of weights.
  EPLB_RETURN_IF_ERROR(load_sums_
                           .SumPasses(models_, /*is_dummy=*/true,
                                      /*with_windows=*/true, group)
                           .status());
  for (const std::unique_ptr<Model>& model : models_) {
    EPLB_RETURN_IF_ERROR(
        group.Note(model->shuffler().Profile(group.channels())));
  }
  return absl::OkStatus();
}

}  // namespace eplb
