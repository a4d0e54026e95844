#include "eplb/state/joining_state.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/group.h"

namespace eplb {
namespace {

absl::Status CheckRange(absl::string_view what, int64_t value, int64_t minimum,
                        int64_t maximum) {
  if (value >= minimum && value <= maximum) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("received from rank 0: ", what, " is ", value,
                   "; it must be from ", minimum, " to ", maximum));
}

template <typename T>
absl::Status BroadcastFromRank0(T* values, size_t count, Group& group) {
  return group.Broadcast({values, count * sizeof(T)}, /*root=*/0);
}

}  // namespace

absl::Status JoiningState::Validate(int num_ranks,
                                    int64_t step_interval) const {
  EPLB_RETURN_IF_ERROR(CheckRange("forward id", forward_id, -1, INT64_MAX));
  // A counter that has just begun is as far as the interval when that is short.
  EPLB_RETURN_IF_ERROR(
      CheckRange("rearrangement step", rearrangement_step, 0, step_interval));
  for (const ModelState& model : models) {
    EPLB_RETURN_IF_ERROR(
        CheckRange("layers", model.num_layers, 1, kMaxTableEntries));
    EPLB_RETURN_IF_ERROR(
        CheckRange("slots per rank", model.slots_per_rank, 1,
                   kMaxTableEntries / model.num_layers / num_ranks));
    const int64_t num_slots = model.slots_per_rank * num_ranks;
    EPLB_RETURN_IF_ERROR(
        CheckRange("slots", model.num_old_slots, 1, num_slots));
    EPLB_RETURN_IF_ERROR(CheckRange(
        "logical experts", model.num_logical_experts, 1, model.num_old_slots));
    EPLB_RETURN_IF_ERROR(CheckRange("expert groups", model.num_expert_groups, 1,
                                    model.num_logical_experts));
  }
  return absl::OkStatus();
}

absl::StatusOr<JoiningState> ShareJoiningState(JoiningState mine, Group& group,
                                               int64_t step_interval) {
  std::array<int64_t, 5> header = {static_cast<int64_t>(mine.models.size()),
                                   mine.forward_id, mine.rearrangement_step,
                                   mine.execute_shuffle, mine.loads_are_given};
  EPLB_RETURN_IF_ERROR(BroadcastFromRank0(header.data(), header.size(), group));
  // Every rank sees the same bytes, and comes to the same verdict.
  EPLB_RETURN_IF_ERROR(
      CheckRange("models", header[0], 1, JoiningState::kMaxModels));
  JoiningState state;
  state.forward_id = header[1];
  state.rearrangement_step = header[2];
  state.execute_shuffle = header[3] != 0;
  state.loads_are_given = header[4] != 0;
  state.models = std::move(mine.models);
  state.models.resize(static_cast<size_t>(header[0]));
  EPLB_RETURN_IF_ERROR(
      BroadcastFromRank0(state.models.data(), state.models.size(), group));
  EPLB_RETURN_IF_ERROR(state.Validate(group.size(), step_interval));
  for (size_t i = 0; i < state.models.size(); ++i) {
    const JoiningState::ModelState& model = state.models[i];
    const int64_t num_slots = model.slots_per_rank * group.size();
    std::vector<int32_t> map(model.num_layers * num_slots);
    if (group.rank() == 0) {
      const auto own = mine.placements[i].physical_to_logical_map();
      map.assign(own.begin(), own.end());
    }
    EPLB_RETURN_IF_ERROR(BroadcastFromRank0(map.data(), map.size(), group));
    EPLB_ASSIGN_OR_RETURN(
        Placement placement,
        Placement::Create(static_cast<int>(model.num_layers),
                          static_cast<int>(model.num_logical_experts),
                          static_cast<int>(num_slots), std::move(map)));
    state.placements.push_back(std::move(placement));
  }
  return state;
}

}  // namespace eplb
