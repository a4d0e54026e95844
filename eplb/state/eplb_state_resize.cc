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
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/group.h"
#include "eplb/state/joining_state.h"
#include "eplb/state/model.h"
#include "eplb/state/model_set.h"
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

// What a growth asks for besides.
absl::Status CheckGrowth(const RankMapping& mapping, const ModelSet& models) {
  if (mapping.OldRank(0) == RankMapping::kNone) {
    return absl::InvalidArgumentError(
        "rank 0 of a group that grows must be one of the old ranks: it tells "
        "the others");
  }
  for (const std::unique_ptr<Model>& model : models) {
    EPLB_RETURN_IF_ERROR(model->CheckRoom(int64_t{mapping.num_new_ranks()} *
                                          model->slots_per_rank()));
  }
  return absl::OkStatus();
}

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
  const bool is_growth =
      options.resize->rank_mapping->num_new_ranks() > group_->size();
  EPLB_RETURN_IF_ERROR(
      CheckMapping(*options.resize, group_->size(), is_growth));
  if (is_growth) {
    EPLB_RETURN_IF_ERROR(CheckGrowth(*options.resize->rank_mapping, models_));
    if (!options.global_loads.empty()) {
      EPLB_RETURN_IF_ERROR(CheckLoads(options.global_loads));
    }
  }
  // A shrink that only sums up the loads leaves the group as it is.
  if (is_growth || options.execute_shuffle) {
    EPLB_RETURN_IF_ERROR(StopBackground());
  }
  return is_growth ? Grow(options) : Shrink(options);
}

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Grow(
    const RearrangeOptions& options) {
  const ResizeOptions& resize = *options.resize;
  GroupBeforeGrowth before{
      .members = group_->members(),
      .rank = group_->rank(),
      .num_redundant_experts = config_.num_redundant_experts};
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

absl::StatusOr<std::vector<ExpertLoads>> EplbState::Shrink(
    const RearrangeOptions& options) {
  const ResizeOptions& resize = *options.resize;
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
