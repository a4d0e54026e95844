#include "tools/run/slot_audit.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/state/layer_tables.h"
#include "kernels/map_and_record.h"
#include "tools/run/slot_weights.h"

namespace eplb {

bool SlotAudit::CheckChanges(absl::Span<const LayerView> views) {
  bool has_changed = false;
  const bool is_first = experts_of_layer_.empty();
  experts_of_layer_.resize(views.size());
  for (size_t layer = 0; layer < views.size(); ++layer) {
    std::vector<int32_t> experts = ExpertsOfSlots(views[layer].routes);
    if (experts == experts_of_layer_[layer]) continue;
    experts_of_layer_[layer] = std::move(experts);
    CheckLayer(static_cast<int>(layer), experts_of_layer_[layer]);
    has_changed = !is_first;
  }
  return has_changed;
}

void SlotAudit::CheckAll(absl::Span<const LayerView> views,
                         const Placement& placement) {
  for (size_t i = 0; i < views.size(); ++i) {
    const int layer = static_cast<int>(i);
    const std::vector<int32_t> experts = ExpertsOfSlots(views[i].routes);
    const absl::Span<const int32_t> placed = placement.experts_of_slots(layer);
    for (int slot = 0; slot < num_slots_; ++slot) {
      if (experts[slot] == placed[slot]) continue;
      Note(layer, slot,
           absl::StrCat("tokens of expert ", experts[slot],
                        " are routed to it, but the placement says ",
                        placed[slot]));
    }
    CheckLayer(layer, placed);
  }
}

void SlotAudit::CheckLayer(int layer,
                           absl::Span<const int32_t> experts_of_slots) {
  for (int local = 0; local < slots_per_rank_; ++local) {
    const int slot = rank_ * slots_per_rank_ + local;
    const int32_t expert = experts_of_slots[slot];
    if (expert == Placement::kEmptySlot) continue;
    ++slots_checked_;
    const std::string problem = weights_.WhatIsWrong(layer, local, expert);
    if (!problem.empty()) Note(layer, slot, problem);
  }
}

void SlotAudit::Note(int layer, int slot, const std::string& problem) {
  if (!wrong_.empty()) return;
  wrong_ = absl::StrCat("rank ", rank_, ", layer ", layer, ", slot ", slot,
                        ": ", problem);
}

std::vector<int32_t> SlotAudit::ExpertsOfSlots(
    const RouteTableView& table) const {
  std::vector<int32_t> experts(num_slots_, Placement::kEmptySlot);
  for (int32_t expert = 0; expert < table.num_experts; ++expert) {
    for (int32_t i = table.row_begin[expert]; i < table.row_begin[expert + 1];
         ++i) {
      experts[table.slots[i]] = expert;
    }
  }
  return experts;
}

}  // namespace eplb
