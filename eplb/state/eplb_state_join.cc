// How the ranks of a group that grows and those that join it come to hold the
// same models, or go back.

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
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/transfer_plan.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/group.h"
#include "eplb/state/joining_state.h"
#include "eplb/state/model.h"
#include "kernels/device.h"

namespace eplb {
namespace {

uint64_t HashOfName(const std::string& name) {
  return StableHash().Add(name).value();
}

// Epochs that a growth which fails may have used: its first, and that in which
// a rank settles what it left.
constexpr uint64_t kEpochsOfAGrowth = 2;

}  // namespace

absl::StatusOr<std::vector<ExpertLoads>> EplbState::JoinWith(
    const ResizeOptions& resize, JoiningState state,
    absl::Span<const ExpertLoads> given, Stream& stream) {
  // The new group compares what all hold. What the new ranks cannot know yet
  // is set when they do.
  SetRedundancy(EplbConfig::kAutoRedundantExperts);
  EPLB_RETURN_IF_ERROR(group_->Connect(
      resize.members, resize.rank_mapping->NewRank(group_->rank())));
  // Those who join make their states.
  EPLB_RETURN_IF_ERROR(group_->AgreeOn(absl::OkStatus()));
  EPLB_RETURN_IF_ERROR(ResizeBackground(resize.members));
  EPLB_ASSIGN_OR_RETURN(state, ShareJoiningState(std::move(state), *group_,
                                                 config_.step_interval));
  return BeginTogether(state, ResizeModels(state.placements, stream), given,
                       stream);
}

absl::Status EplbState::GoBack(GroupBeforeGrowth before, absl::Status failure,
                               Stream& stream) {
  // Later than what the new group may have used; nobody but the old ranks
  // connects there.
  before.members.epoch = group_->members().epoch + kEpochsOfAGrowth;
  SetRedundancy(before.num_redundant_experts);
  group_->SetMembers(before.members, before.rank);
  if (background_ != nullptr) {
    background_->group().SetMembers(before.members, before.rank);
  }
  absl::Status back = ResizeModels(before.placements, stream);
  back.Update(OpenDumps());
  if (back.ok()) return failure;
  return absl::InternalError(absl::StrCat(
      "a growth failed (", failure.ToString(),
      "), and this rank could not go back to the group before it: ",
      back.ToString()));
}

absl::Status EplbState::ReceiveState(std::vector<JoiningModel> models) {
  EPLB_RETURN_IF_ERROR(CheckUsable());
  if (!models_.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "ReceiveState: the state has ", models_.size(), " models already"));
  }
  EPLB_ASSIGN_OR_RETURN(const JoiningState state,
                        ShareJoiningState({}, *group_, config_.step_interval));
  EPLB_ASSIGN_OR_RETURN(
      const std::vector<ExpertLoads> loads,
      BeginTogether(state, AddJoiningModels(state, std::move(models)), {},
                    *stream_));
  if (!state.execute_shuffle) return absl::OkStatus();
  return RearrangeBy(loads, group_->topology(), {.is_forced = true}, *stream_);
}

absl::StatusOr<JoiningState> EplbState::DescribeModels(
    const RearrangeOptions& options) const {
  JoiningState state;
  state.forward_id = forward_id_;
  state.rearrangement_step = counter_.count();
  state.execute_shuffle = options.execute_shuffle;
  state.loads_are_given = !options.global_loads.empty();
  for (const std::unique_ptr<Model>& model : models_) {
    const ModelShape& shape = model->shape();
    state.models.push_back({.name_hash = HashOfName(model->name()),
                            .num_layers = shape.num_layers,
                            .num_logical_experts = shape.num_logical_experts,
                            .num_expert_groups = shape.num_expert_groups,
                            .num_old_slots = shape.num_physical_experts(),
                            .slots_per_rank = model->slots_per_rank()});
    EPLB_ASSIGN_OR_RETURN(
        Placement placement,
        PlacementInGroup(model->placement(), *options.resize->rank_mapping));
    state.placements.push_back(std::move(placement));
  }
  return state;
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::BeginTogether(
    const JoiningState& state, absl::Status mine,
    absl::Span<const ExpertLoads> given, Stream& stream) {
  if (mine.ok()) mine = OpenDumps();
  EPLB_RETURN_IF_ERROR(group_->AgreeOn(std::move(mine)));
  // From here on all ranks number what they move alike.
  EPLB_RETURN_IF_ERROR(OpenEpoch(stream));
  forward_id_ = state.forward_id;
  group_->set_forward_id(forward_id_);
  counter_.Set(state.rearrangement_step);
  SetRedundancy(models_[0].shape().num_redundant_experts);
  EPLB_RETURN_IF_ERROR(ShareWhetherDumped(models_[0]));
  if (state.loads_are_given) return ShareLoads(given);
  // ResizeModels has waited for all passes.
  absl::Status recorded;
  return load_sums_.SumWindows(models_, *group_, recorded);
}

absl::Status EplbState::AddJoiningModels(const JoiningState& state,
                                         std::vector<JoiningModel> joining) {
  if (joining.size() != state.models.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("ReceiveState of ", joining.size(),
                     " models; the group has ", state.models.size()));
  }
  for (size_t i = 0; i < joining.size(); ++i) {
    const JoiningState::ModelState& received = state.models[i];
    JoiningModel& model = joining[i];
    if (HashOfName(model.name) != received.name_hash ||
        model.weights.num_layers() != received.num_layers ||
        model.weights.num_local_slots() != received.slots_per_rank) {
      return absl::InvalidArgumentError(absl::StrCat(
          "ReceiveState: model '", model.name, "' of ",
          model.weights.num_layers(), " layers and ",
          model.weights.num_local_slots(),
          " slots per rank is not model number ", i,
          " of the group, which has ", received.num_layers, " layers and ",
          received.slots_per_rank, " slots per rank",
          HashOfName(model.name) == received.name_hash ? ""
                                                       : ", and another name"));
    }
    const ModelShape shape{
        .num_layers = static_cast<int>(received.num_layers),
        .num_logical_experts = static_cast<int>(received.num_logical_experts),
        .num_redundant_experts = state.placements[i].num_slots() -
                                 static_cast<int>(received.num_logical_experts),
        .num_expert_groups = static_cast<int>(received.num_expert_groups)};
    EPLB_RETURN_IF_ERROR(shape.Validate());
    EPLB_RETURN_IF_ERROR(models_.CheckNew(model.name, shape));
    EPLB_ASSIGN_OR_RETURN(
        std::unique_ptr<Model> created,
        Model::Create(model.name, shape, std::move(model.weights),
                      model.options, state.placements[i], static_cast<int>(i),
                      model_context()));
    models_.Add(std::move(created));
  }
  return ResizeModels(state.placements, *stream_);
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::ShareLoads(
    absl::Span<const ExpertLoads> mine) {
  std::vector<ExpertLoads> all;
  for (int i = 0; i < models_.size(); ++i) {
    const ModelShape& shape = models_[i].shape();
    std::vector<int64_t> loads(static_cast<size_t>(shape.num_layers) *
                               shape.num_logical_experts);
    if (group_->rank() == 0) {
      loads.assign(mine[i].values().begin(), mine[i].values().end());
    }
    EPLB_RETURN_IF_ERROR(group_->Broadcast(
        {loads.data(), loads.size() * sizeof(int64_t)}, /*root=*/0));
    EPLB_ASSIGN_OR_RETURN(
        ExpertLoads checked,
        ExpertLoads::Create(shape.num_layers, shape.num_logical_experts,
                            std::move(loads)));
    all.push_back(std::move(checked));
  }
  return all;
}

}  // namespace eplb
