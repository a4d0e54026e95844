#include "tools/run/slot_weights.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/placement.h"
#include "eplb/shuffle/expert_weights.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"

namespace eplb {

SlotWeights::SlotWeights(const ExpertModel& model, int slots_per_rank)
    : model_(model), slots_per_rank_(slots_per_rank) {
  const size_t rows = Row(model.num_layers(), 0);
  weights_.resize(rows * model.weight_bytes());
  scales_.resize(rows * kHiddenSize);
}

absl::Span<std::byte> SlotWeights::Weights(int layer, int slot) {
  return absl::MakeSpan(weights_).subspan(
      Row(layer, slot) * model_.weight_bytes(), model_.weight_bytes());
}

absl::Span<std::byte> SlotWeights::Scales(int layer, int slot) {
  return absl::MakeSpan(
      reinterpret_cast<std::byte*>(&scales_[Row(layer, slot) * kHiddenSize]),
      ExpertModel::kScaleBytes);
}

void SlotWeights::Fill(const Placement& placement, int rank) {
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      const int32_t expert =
          placement.expert_of_slot(layer, rank * slots_per_rank_ + slot);
      if (expert == Placement::kEmptySlot) continue;
      model_.FillWeights(layer, expert, 0, Weights(layer, slot));
      model_.FillScales(layer, expert, Scales(layer, slot));
    }
  }
}

absl::StatusOr<ExpertWeights> SlotWeights::View() {
  std::vector<std::vector<ExpertTensor>> layers;
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    layers.push_back({{.name = "weights",
                       .data = Weights(layer, 0).data(),
                       .num_rows = slots_per_rank_,
                       .bytes_per_row = model_.weight_bytes(),
                       .stride_bytes = model_.weight_bytes(),
                       .element_type = WeightType::kInt8,
                       .space = MemorySpace::kHost},
                      {.name = "scales",
                       .data = Scales(layer, 0).data(),
                       .num_rows = slots_per_rank_,
                       .bytes_per_row = ExpertModel::kScaleBytes,
                       .stride_bytes = ExpertModel::kScaleBytes,
                       .element_type = WeightType::kInt32,
                       .space = MemorySpace::kHost}});
  }
  return ExpertWeights::Create(std::move(layers));
}

ExpertSlice SlotWeights::Slice(int layer, int slot, uint64_t token) const {
  const MatrixOffsets offsets = MatrixOffsetsFor(token, model_.weight_bytes());
  const std::byte* const bytes = weights(layer, slot);
  return {.up = bytes + offsets.up,
          .down = bytes + offsets.down,
          .scales = scales(layer, slot)};
}

std::string SlotWeights::WhatIsWrong(int layer, int slot, int expert) const {
  return model_.WhatIsWrong(
      layer, expert,
      absl::MakeConstSpan(weights(layer, slot), model_.weight_bytes()),
      absl::MakeConstSpan(scales(layer, slot), ExpertModel::kScaleBytes));
}

}  // namespace eplb
