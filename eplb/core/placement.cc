#include "eplb/core/placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::StatusOr<Placement> Placement::Create(
    int num_layers, int num_logical_experts, int num_slots,
    std::vector<int32_t> physical_to_logical_map) {
  // A size below 1 is refused; no difference is taken that could overflow.
  const int redundant_experts =
      num_logical_experts < 1
          ? 0
          : std::max(num_slots, num_logical_experts) - num_logical_experts;
  const ModelShape shape{.num_layers = num_layers,
                         .num_logical_experts = num_logical_experts,
                         .num_redundant_experts = redundant_experts};
  EPLB_RETURN_IF_ERROR(shape.Validate());
  if (num_slots < num_logical_experts) {
    return absl::InvalidArgumentError(
        absl::StrCat(num_slots, " slots cannot hold ", num_logical_experts,
                     " logical experts"));
  }
  const size_t expected = Row(num_layers, num_slots);
  if (physical_to_logical_map.size() != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("physical_to_logical_map has ",
                     physical_to_logical_map.size(), " entries; ", num_layers,
                     " layers of ", num_slots, " slots need ", expected));
  }
  Placement placement(num_layers, num_logical_experts, num_slots,
                      std::move(physical_to_logical_map));
  for (int layer = 0; layer < num_layers; ++layer) {
    EPLB_RETURN_IF_ERROR(placement.InvertLayer(layer));
  }
  return placement;
}

absl::StatusOr<Placement> Placement::Initial(const ModelShape& shape) {
  EPLB_RETURN_IF_ERROR(shape.Validate());
  const int num_slots = shape.num_physical_experts();
  std::vector<int32_t> experts(Row(shape.num_layers, num_slots));
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    // Slot E + i holds expert i % E, and (E + i) % E is the same.
    for (int slot = 0; slot < num_slots; ++slot) {
      experts[Row(layer, num_slots) + slot] = slot % shape.num_logical_experts;
    }
  }
  return Create(shape.num_layers, shape.num_logical_experts, num_slots,
                std::move(experts));
}

Placement::Placement(int num_layers, int num_logical_experts, int num_slots,
                     std::vector<int32_t> experts)
    : num_layers_(num_layers),
      num_logical_experts_(num_logical_experts),
      num_slots_(num_slots),
      experts_(std::move(experts)),
      slot_begin_(Row(num_layers, num_logical_experts + 1), 0),
      slots_(experts_.size()) {}

absl::Status Placement::InvertLayer(int layer) {
  const absl::Span<const int32_t> experts = experts_of_slots(layer);
  const absl::Span<int32_t> begin =
      absl::MakeSpan(slot_begin_)
          .subspan(Row(layer, num_logical_experts_ + 1),
                   num_logical_experts_ + 1);
  for (int slot = 0; slot < num_slots_; ++slot) {
    const int32_t expert = experts[slot];
    if (expert == kEmptySlot) continue;
    if (expert < 0 || expert >= num_logical_experts_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layer ", layer, ", slot ", slot, ": expert ", expert,
          " is neither -1 nor in [0, ", num_logical_experts_, ")"));
    }
    ++begin[expert];
  }
  // Counts become the end of each row; filling from the back turns the ends
  // into beginnings.
  int32_t end = 0;
  for (int expert = 0; expert < num_logical_experts_; ++expert) {
    if (begin[expert] == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer ", layer, ": expert ", expert, " has no slot"));
    }
    end += begin[expert];
    begin[expert] = end;
  }
  begin[num_logical_experts_] = end;
  const absl::Span<int32_t> slots =
      absl::MakeSpan(slots_).subspan(Row(layer, num_slots_), num_slots_);
  for (int slot = num_slots_ - 1; slot >= 0; --slot) {
    if (experts[slot] != kEmptySlot) slots[--begin[experts[slot]]] = slot;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Placement::PaddedLogicalMap(
    int width) const {
  const size_t rows = Row(num_layers_, num_logical_experts_);
  if (width > kMaxTableEntries / static_cast<int64_t>(rows)) {
    return absl::InvalidArgumentError(
        absl::StrCat("width ", width, " for ", num_layers_, " layers of ",
                     num_logical_experts_, " logical experts is more than ",
                     kMaxTableEntries, " entries"));
  }
  std::vector<int32_t> padded(rows * static_cast<size_t>(std::max(0, width)),
                              kEmptySlot);
  auto row = padded.begin();
  for (int layer = 0; layer < num_layers_; ++layer) {
    for (int expert = 0; expert < num_logical_experts_; ++expert) {
      const absl::Span<const int32_t> slots = slots_of_expert(layer, expert);
      if (width < static_cast<int>(slots.size())) {
        return absl::InvalidArgumentError(absl::StrCat(
            "layer ", layer, ", expert ", expert, ": ", slots.size(),
            " replicas do not fit into width ", width));
      }
      std::copy(slots.begin(), slots.end(), row);
      row += width;
    }
  }
  return padded;
}

uint64_t Placement::Hash() const {
  return StableHash()
      .Add(static_cast<uint64_t>(num_layers_))
      .Add(static_cast<uint64_t>(num_logical_experts_))
      .Add(static_cast<uint64_t>(num_slots_))
      .Add(experts_)
      .value();
}

}  // namespace eplb
