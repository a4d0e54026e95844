// How a state works with the worker that rearranges in the background.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/background_balancer.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/group.h"

namespace eplb {
namespace {

// Whether it asks for the same step again.
bool IsHeldUp(const absl::Status& passed) {
  return absl::IsUnavailable(passed) || absl::IsDeadlineExceeded(passed);
}

}  // namespace

absl::Status EplbState::CreateBackground() {
  GroupOptions options;
  options.name = absl::StrCat(dependencies_.name, "/background");
  options.control_factory = dependencies_.background_control_factory;
  options.data_factory = dependencies_.background_data_factory;
  options.node_of_job_rank = dependencies_.node_of_job_rank;
  options.timeout = config_.collective_timeout;
  options.clock = dependencies_.clock;
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Group> group,
                        Group::Create(std::move(options), dependencies_.members,
                                      *dependencies_.control,
                                      dependencies_.data, config_.Fields()));
  background_ = std::make_unique<BackgroundBalancer>(
      BackgroundBalancerContext{.config = &config_,
                                .policy = &policy_,
                                .models = &models_,
                                .device = dependencies_.device,
                                .events = dependencies_.events},
      std::move(group));
  return absl::OkStatus();
}

absl::Status EplbState::StartBackground() {
  EPLB_RETURN_IF_ERROR(CheckUsable());
  if (background_ == nullptr || is_in_background()) return absl::OkStatus();
  if (models_.empty()) {
    return absl::FailedPreconditionError(
        "StartBackground of a state without models: they are added before");
  }
  // All ranks are here, with the same models.
  EPLB_RETURN_IF_ERROR(Begin(*stream_));
  const Group& group = background_->group();
  // The last epoch of each rank's worker, and how many have no connection.
  std::vector<int64_t> epochs(group_->size());
  epochs[group_->rank()] = static_cast<int64_t>(group.epoch());
  epochs.push_back(group.is_connected() ? 0 : 1);
  EPLB_RETURN_IF_ERROR(group_->AllReduceSum(absl::MakeSpan(epochs)));
  const int64_t num_unconnected = epochs.back();
  epochs.pop_back();
  if (num_unconnected > 0) {
    // A resize ended the last worker and did not connect another. What may have
    // been cloned for it before cannot be again.
    EPLB_RETURN_IF_ERROR(group_->Reconnect());
    EPLB_RETURN_IF_ERROR(OpenEpoch(*stream_));
    GroupMembers members = group_->members();
    const int64_t last = *std::max_element(epochs.begin(), epochs.end());
    members.epoch = std::max(members.epoch, static_cast<uint64_t>(last) + 1);
    EPLB_RETURN_IF_ERROR(ResizeBackground(members));
  }
  background_->Start(forward_id_);
  return absl::OkStatus();
}

absl::Status EplbState::EndBackgroundStep(Stream& stream) {
  // A rank in doubt is at the same step as the others, which have ended it.
  const absl::Status passed =
      in_doubt_.ok() ? background_->Pass(forward_id_, stream) : in_doubt_;
  is_held_up_ = IsHeldUp(passed);
  EPLB_RETURN_IF_ERROR(passed);
  step_failure_.Update(background_->MayBegin(forward_id_, is_at_interval_));
  // A step that has ended must not be called again: this rank's count would
  // leave that of the others.
  if (!IsHeldUp(step_failure_)) return step_failure_;
  return absl::AbortedError(absl::StrCat(
      "step ", forward_id_, " has ended, but ", step_failure_.ToString()));
}

absl::Status EplbState::Drain(Stream* stream) {
  ReportDeviceTimes();
  if (!is_in_background()) return absl::OkStatus();
  Stream& there = StreamOr(stream);
  EPLB_RETURN_IF_ERROR(background_->Drain(forward_id_, there));
  return there.Synchronize(group_->Deadline());
}

void EplbState::WeightsChanged() {
  if (is_in_background()) background_->WeightsChanged();
}

absl::Status EplbState::Shutdown() {
  return background_ == nullptr ? absl::OkStatus() : background_->Shutdown();
}

BackgroundMetrics EplbState::background_metrics() const {
  return background_ == nullptr ? BackgroundMetrics() : background_->metrics();
}

absl::Status EplbState::StopBackground() {
  if (!is_in_background()) return absl::OkStatus();
  EPLB_RETURN_IF_ERROR(background_->Stop());
  // Its channels have ended with it.
  Group& group = background_->group();
  group.SetMembers({group.epoch(), group.members().ranks_of_job}, group.rank());
  return absl::OkStatus();
}

absl::Status EplbState::ResizeBackground(const GroupMembers& members) {
  if (background_ == nullptr) return absl::OkStatus();
  background_->group().set_configuration(config_.Fields());
  return background_->group().Adopt(members, *group_->base_control(),
                                    group_->base_data());
}

}  // namespace eplb
