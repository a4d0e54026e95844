#include "policies/placement_policy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "policies/slot_retention.h"

namespace eplb {
namespace {

absl::Status ValidateCurrent(const PlacementRequest& request) {
  const Placement& current = *request.current;
  const ModelShape& shape = request.shape;
  if (current.num_layers() != shape.num_layers ||
      current.num_logical_experts() != shape.num_logical_experts ||
      current.num_slots() != shape.num_physical_experts()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the current placement has ", current.num_layers(), " layers, ",
        current.num_logical_experts(), " logical experts and ",
        current.num_slots(), " slots; the request has ", shape.num_layers, ", ",
        shape.num_logical_experts, " and ", shape.num_physical_experts()));
  }
  return absl::OkStatus();
}

absl::Status ValidateSlots(const PlacementRequest& request) {
  const Topology& topology = *request.topology;
  EPLB_RETURN_IF_ERROR(
      ValidateSlotsPerRank(request.shape, topology.num_ranks()));
  const int64_t active_slots =
      int64_t{topology.num_active_ranks()} * request.slots_per_rank();
  if (active_slots < request.shape.num_logical_experts) {
    return absl::ResourceExhaustedError(absl::StrCat(
        topology.num_active_ranks(), " active ranks of ",
        request.slots_per_rank(), " slots hold ", active_slots, " slots; ",
        request.shape.num_logical_experts, " logical experts need one each"));
  }
  return absl::OkStatus();
}

// A policy's table may be a stranger's: nothing uses an entry unchecked.
absl::Status ValidateTable(const PlacementRequest& request,
                           absl::Span<const int32_t> experts) {
  const int64_t num_slots = request.shape.num_physical_experts();
  const int64_t expected = request.shape.num_layers * num_slots;
  if (static_cast<int64_t>(experts.size()) != expected) {
    return absl::InternalError(
        absl::StrCat("the policy returned ", experts.size(),
                     " slots; all layers have ", expected));
  }
  for (int64_t i = 0; i < expected; ++i) {
    if (experts[i] < Placement::kEmptySlot ||
        experts[i] >= request.shape.num_logical_experts) {
      return absl::InternalError(absl::StrCat(
          "the policy put expert ", experts[i], " into slot ", i % num_slots,
          " of layer ", i / num_slots, "; there are ",
          request.shape.num_logical_experts, " experts"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateInactiveRanksAreEmpty(const PlacementRequest& request,
                                           const Placement& placement) {
  const int slots_per_rank = request.slots_per_rank();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int slot = 0; slot < placement.num_slots(); ++slot) {
      const int rank = slot / slots_per_rank;
      const int32_t expert = placement.expert_of_slot(layer, slot);
      if (expert != Placement::kEmptySlot &&
          !request.topology->is_active(rank)) {
        return absl::InternalError(
            absl::StrCat("the policy put expert ", expert, " of layer ", layer,
                         " into slot ", slot, " of inactive rank ", rank));
      }
    }
  }
  return absl::OkStatus();
}

// Whether every expert of `layer` has a slot on an active rank.
bool SurvivesOnActiveRanks(const PlacementRequest& request, int layer) {
  const Placement& current = *request.current;
  const int slots_per_rank = request.slots_per_rank();
  for (int expert = 0; expert < current.num_logical_experts(); ++expert) {
    const absl::Span<const int32_t> slots =
        current.slots_of_expert(layer, expert);
    if (std::none_of(slots.begin(), slots.end(), [&](int32_t slot) {
          return request.topology->is_active(slot / slots_per_rank);
        })) {
      return false;
    }
  }
  return true;
}

// Undoes the layers that would move more than the limit, unless staying would
// lose an expert. Returns how many.
int KeepLayersBeyondLimit(const PlacementRequest& request,
                          absl::Span<int32_t> experts) {
  const int slots_per_rank = request.slots_per_rank();
  const size_t num_slots = request.shape.num_physical_experts();
  int kept = 0;
  for (int layer = 0; layer < request.shape.num_layers; ++layer) {
    const absl::Span<const int32_t> before =
        request.current->experts_of_slots(layer);
    const absl::Span<int32_t> after =
        experts.subspan(layer * num_slots, num_slots);
    if (CountMovedSlots(before, after, slots_per_rank) <=
            request.max_moves_per_layer ||
        !SurvivesOnActiveRanks(request, layer)) {
      continue;
    }
    for (size_t slot = 0; slot < num_slots; ++slot) {
      after[slot] = request.topology->is_active(slot / slots_per_rank)
                        ? before[slot]
                        : Placement::kEmptySlot;
    }
    ++kept;
  }
  return kept;
}

}  // namespace

absl::Status PlacementRequest::Validate() const {
  EPLB_RETURN_IF_ERROR(shape.Validate());
  if (loads == nullptr || topology == nullptr) {
    return absl::InvalidArgumentError(
        "a placement request needs loads and a topology");
  }
  if (loads->num_layers() != shape.num_layers ||
      loads->num_logical_experts() != shape.num_logical_experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the loads are of ", loads->num_layers(), " layers and ",
        loads->num_logical_experts(), " logical experts; the model has ",
        shape.num_layers, " and ", shape.num_logical_experts));
  }
  if (max_moves_per_layer < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_moves_per_layer is ", max_moves_per_layer,
                     "; it must not be negative"));
  }
  if (!(target_balancedness > 0 && target_balancedness <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("target_balancedness is ",
                                                   target_balancedness,
                                                   "; it must be in (0, 1]"));
  }
  if (num_threads < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_threads is ", num_threads, "; it must be at least 1"));
  }
  EPLB_RETURN_IF_ERROR(ValidateSlots(*this));
  return current == nullptr ? absl::OkStatus() : ValidateCurrent(*this);
}

double PlacementResult::mean_balancedness() const {
  double sum = 0;
  for (const LayerScore& layer : layers) sum += layer.balancedness;
  return sum / static_cast<double>(layers.size());
}

double PlacementResult::worst_balancedness() const {
  double worst = 1;
  for (const LayerScore& layer : layers) {
    worst = std::min(worst, layer.balancedness);
  }
  return worst;
}

int64_t PlacementResult::moved_slots() const {
  int64_t moved = 0;
  for (const LayerScore& layer : layers) moved += layer.moved_slots;
  return moved;
}

absl::StatusOr<PlacementResult> PlacementPolicy::Place(
    const PlacementRequest& request) const {
  EPLB_RETURN_IF_ERROR(request.Validate());
  const ModelShape& shape = request.shape;
  const int num_slots = shape.num_physical_experts();
  std::vector<std::string> warnings;
  EPLB_ASSIGN_OR_RETURN(std::vector<int32_t> experts,
                        ChoosePlacement(request, warnings));
  EPLB_RETURN_IF_ERROR(ValidateTable(request, experts));
  if (request.current != nullptr) {
    KeepSlots(*request.current, request.slots_per_rank(),
              absl::MakeSpan(experts));
  }
  if (request.current != nullptr && request.max_moves_per_layer > 0) {
    const int kept = KeepLayersBeyondLimit(request, absl::MakeSpan(experts));
    if (kept > 0) {
      warnings.push_back(absl::StrCat(
          kept, " of ", shape.num_layers,
          " layers keep their placement: the plan moves more than ",
          request.max_moves_per_layer, " slots"));
    }
  }
  absl::StatusOr<Placement> placement =
      Placement::Create(shape.num_layers, shape.num_logical_experts, num_slots,
                        std::move(experts));
  if (!placement.ok()) {
    return absl::InternalError(
        absl::StrCat("the policy's placement: ", placement.status().message()));
  }
  if (request.topology->num_active_ranks() < request.topology->num_ranks()) {
    EPLB_RETURN_IF_ERROR(ValidateInactiveRanksAreEmpty(request, *placement));
  }
  std::vector<LayerScore> layers = ScorePlacement(
      *request.loads, *request.topology, *placement, request.current);
  return PlacementResult{*std::move(placement), std::move(layers),
                         std::move(warnings)};
}

}  // namespace eplb
