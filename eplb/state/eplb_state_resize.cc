// How the group of a state grows and shrinks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/transfer_plan.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/group.h"
#include "eplb/state/joining_state.h"
#include "eplb/state/model.h"
#include "kernels/device.h"

namespace eplb {
namespace {

std::string Describe(const RankMapping& mapping) {
  int leaving = 0;
  int joining = 0;
  for (int rank = 0; rank < mapping.num_old_ranks(); ++rank) {
    leaving += mapping.NewRank(rank) == RankMapping::kNone;
  }
  for (int rank = 0; rank < mapping.num_new_ranks(); ++rank) {
    joining += mapping.OldRank(rank) == RankMapping::kNone;
  }
  return absl::StrCat("the rank mapping leads from ", mapping.num_old_ranks(),
                      " ranks, of which ", leaving, " leave, to ",
                      mapping.num_new_ranks(), ", of which ", joining, " join");
}

// A resize of `num_ranks` that only grows, or only shrinks.
absl::Status CheckMapping(const ResizeOptions& resize, int num_ranks,
                          bool is_growth) {
  const RankMapping& mapping = *resize.rank_mapping;
  const int extra = is_growth
                        ? mapping.num_new_ranks() - mapping.num_old_ranks()
                        : mapping.num_old_ranks() - mapping.num_new_ranks();
  int staying = 0;
  for (int rank = 0; rank < mapping.num_old_ranks(); ++rank) {
    staying += mapping.NewRank(rank) != RankMapping::kNone;
  }
  const int smaller =
      is_growth ? mapping.num_old_ranks() : mapping.num_new_ranks();
  if (mapping.num_old_ranks() != num_ranks || extra <= 0 ||
      staying != smaller) {
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(mapping), "; the group has ", num_ranks,
        " ranks. A growth maps the old ranks, none of which leaves; a shrink "
        "maps every present rank, and none joins"));
  }
  if (static_cast<int>(resize.members.ranks_of_job.size()) !=
      mapping.num_new_ranks()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a resize to ", mapping.num_new_ranks(), " ranks with ",
                     resize.members.ranks_of_job.size(), " members"));
  }
  return absl::OkStatus();
}

uint64_t HashOfName(const std::string& name) {
  return StableHash().Add(name).value();
}

// Epochs that a growth which fails may have used: its first, and that in which
// a rank settles what it left.
constexpr uint64_t kEpochsOfAGrowth = 2;

// Of switches of an epoch that begins with a resize: no other has them.
int64_t GenerationOf(const Group& group) {
  return static_cast<int64_t>(group.epoch()) << 32;
}

// The slots of the ranks that stay, where these come to be.
absl::StatusOr<Placement> WithoutLeavingRanks(const Placement& placement,
                                              const RankMapping& mapping,
                                              int slots_per_rank) {
  std::vector<int32_t> map;
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const auto experts = placement.experts_of_slots(layer);
    for (int rank = 0; rank < mapping.num_new_ranks(); ++rank) {
      const auto begin =
          experts.begin() +
          static_cast<ptrdiff_t>(mapping.OldRank(rank)) * slots_per_rank;
      map.insert(map.end(), begin, begin + slots_per_rank);
    }
  }
  return Placement::Create(
      placement.num_layers(), placement.num_logical_experts(),
      mapping.num_new_ranks() * slots_per_rank, std::move(map));
}

}  // namespace

void EplbState::SetRedundancy(int num_redundant_experts) {
  config_.num_redundant_experts = num_redundant_experts;
  group_->set_configuration(config_.Fields());
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Resize(
    const RearrangeOptions& options) {
  if (options.resize->rank_mapping == nullptr) {
    return absl::InvalidArgumentError("a resize needs a rank_mapping");
  }
  if (models_.empty()) {
    return absl::FailedPreconditionError(
        "a resize of a state without models: there is nothing to move");
  }
  EPLB_RETURN_IF_ERROR(group_->CheckMembers(options.resize->members));
  EPLB_RETURN_IF_ERROR(StopBackground());
  return options.resize->rank_mapping->num_new_ranks() > group_->size()
             ? Grow(options)
             : Shrink(options);
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Grow(
    const RearrangeOptions& options) {
  const ResizeOptions& resize = *options.resize;
  EPLB_RETURN_IF_ERROR(
      CheckMapping(resize, group_->size(), /*is_growth=*/true));
  if (resize.rank_mapping->OldRank(0) == RankMapping::kNone) {
    return absl::InvalidArgumentError(
        "rank 0 of a group that grows must be one of the old ranks: it tells "
        "the others");
  }
  if (!options.global_loads.empty()) {
    EPLB_RETURN_IF_ERROR(CheckLoads(options.global_loads));
  }
  GroupBeforeGrowth before{
      .members = group_->members(),
      .rank = group_->rank(),
      .num_redundant_experts = config_.num_redundant_experts};
  for (const std::unique_ptr<Model>& model : models_) {
    EPLB_RETURN_IF_ERROR(
        model->CheckRoom(int64_t{resize.rank_mapping->num_new_ranks()} *
                         model->slots_per_rank()));
  }
  // Settles what a failure left, before others come to depend on it.
  Stream& stream = StreamOr(options.stream);
  EPLB_RETURN_IF_ERROR(Begin(stream));
  EPLB_ASSIGN_OR_RETURN(JoiningState state, DescribeModels(options));
  for (const std::unique_ptr<Model>& model : models_) {
    before.placements.push_back(model->placement());
  }
  auto loads = JoinWith(resize, std::move(state), options.global_loads, stream);
  if (!loads.ok()) return GoBack(std::move(before), loads.status(), stream);
  if (options.execute_shuffle) {
    EPLB_RETURN_IF_ERROR(
        RearrangeBy(*loads, group_->topology(), {.is_forced = true}, stream));
  }
  return loads;
}

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

absl::Status EplbState::ResizeModels(absl::Span<const Placement> placements,
                                     Stream& stream) {
  for (int i = 0; i < models_.size(); ++i) {
    EPLB_RETURN_IF_ERROR(models_[i].Resize(placements[i], GenerationOf(*group_),
                                           stream, group_->Deadline()));
  }
  return stream.Synchronize(group_->Deadline());
}

absl::Status EplbState::OpenDumps() {
  for (const std::unique_ptr<Model>& model : models_) {
    EPLB_RETURN_IF_ERROR(OpenDump(*model));
  }
  return absl::OkStatus();
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

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Shrink(
    const RearrangeOptions& options) {
  const ResizeOptions& resize = *options.resize;
  EPLB_RETURN_IF_ERROR(
      CheckMapping(resize, group_->size(), /*is_growth=*/false));
  Stream& stream = StreamOr(options.stream);
  absl::Status recorded;
  EPLB_ASSIGN_OR_RETURN(std::vector<ExpertLoads> loads,
                        BeginRearrangement(options, stream, recorded));
  if (!options.execute_shuffle) {
    EPLB_RETURN_IF_ERROR(recorded);
    return loads;
  }
  std::vector<int> leaving;
  for (int rank = 0; rank < group_->size(); ++rank) {
    if (resize.rank_mapping->NewRank(rank) == RankMapping::kNone) {
      leaving.push_back(rank);
    }
  }
  EPLB_ASSIGN_OR_RETURN(const Topology staying,
                        group_->topology().WithInactiveRanks(leaving));
  EPLB_RETURN_IF_ERROR(
      RearrangeBy(loads, staying, {.is_forced = true}, stream));
  EPLB_RETURN_IF_ERROR(FinishShrink(resize, stream));
  EPLB_RETURN_IF_ERROR(recorded);
  return loads;
}

absl::Status EplbState::FinishShrink(const ResizeOptions& resize,
                                     Stream& stream) {
  const RankMapping& mapping = *resize.rank_mapping;
  if (mapping.NewRank(group_->rank()) == RankMapping::kNone) {
    has_left_ = absl::FailedPreconditionError(absl::StrCat(
        dependencies_.name, ": rank ", group_->rank(), " has left the group"));
    return absl::OkStatus();
  }
  std::vector<Placement> placements;
  for (const std::unique_ptr<Model>& model : models_) {
    EPLB_ASSIGN_OR_RETURN(Placement placement,
                          WithoutLeavingRanks(model->placement(), mapping,
                                              model->slots_per_rank()));
    placements.push_back(std::move(placement));
  }
  // The experts are where they belong, and those who left are done: whatever
  // comes now, this is a rank of the new group, which connects at the next
  // collective call where it cannot at once.
  const int rank = mapping.NewRank(group_->rank());
  SetRedundancy(placements[0].num_slots() -
                placements[0].num_logical_experts());
  group_->SetMembers(resize.members, rank);
  if (background_ != nullptr) {
    background_->group().SetMembers(resize.members, rank);
  }
  absl::Status resized = ResizeModels(placements, stream);
  resized.Update(OpenDumps());
  EPLB_RETURN_IF_ERROR(group_->Connect(resize.members, rank));
  group_->set_forward_id(forward_id_);
  EPLB_RETURN_IF_ERROR(ResizeBackground(resize.members));
  EPLB_RETURN_IF_ERROR(group_->AgreeOn(std::move(resized)));
  return ShareWhetherDumped(models_[0]);
}

}  // namespace eplb
