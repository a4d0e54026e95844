#include "eplb/shuffle/unit_rows.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "kernels/device.h"

namespace eplb {

StagingLayout::StagingLayout(const ExpertWeights& weights) {
  for (int layer = 0; layer < weights.num_layers(); ++layer) {
    std::vector<size_t> offsets;
    size_t end = 0;
    for (const ExpertTensor& tensor : weights.tensors(layer)) {
      offsets.push_back(end);
      end += (tensor.bytes_per_row + kAlignment - 1) / kAlignment * kAlignment;
    }
    offsets_.push_back(std::move(offsets));
    row_bytes_ = std::max(row_bytes_, end);
  }
}

UnitRows::UnitRows(const ShuffleUnit& unit, const ExpertWeights& weights,
                   const StagingLayout& layout,
                   absl::Span<std::byte* const> staging)
    : weights_(weights),
      layout_(layout),
      staging_(staging.begin(), staging.end()) {
  for (const LayerChange& change : unit.layers) AddLayer(change);
}

std::byte* UnitRows::Staged(int row, int layer, int tensor) const {
  return staging_[row] + layout_.offset(layer, tensor);
}

void UnitRows::AddLayer(const LayerChange& change) {
  const int layer = change.layer;
  const absl::Span<const ExpertTensor> tensors = weights_.tensors(layer);
  const MemorySpace space = weights_.space();
  const int num_tensors = static_cast<int>(tensors.size());
  const int first_receive = num_rows_;
  num_rows_ += static_cast<int>(change.receives.size());
  // Which row each overwritten slot is saved in.
  std::vector<int> saved_in(weights_.num_local_slots(), -1);
  for (const SlotCopy& copy : change.copies) {
    if (copy.source_is_overwritten && saved_in[copy.source_slot] < 0) {
      saved_in[copy.source_slot] = num_rows_++;
    }
  }
  for (int tensor = 0; tensor < num_tensors; ++tensor) {
    const size_t bytes = tensors[tensor].bytes_per_row;
    for (int slot = 0; slot < weights_.num_local_slots(); ++slot) {
      if (saved_in[slot] < 0) continue;
      saves_.push_back({Staged(saved_in[slot], layer, tensor),
                        weights_.row(layer, tensor, slot), bytes});
    }
    for (const SlotCopy& copy : change.copies) {
      const void* const source =
          copy.source_is_overwritten
              ? Staged(saved_in[copy.source_slot], layer, tensor)
              : weights_.row(layer, tensor, copy.source_slot);
      switches_.push_back(
          {weights_.row(layer, tensor, copy.destination_slot), source, bytes});
    }
    for (const SlotFanOut& fan_out : change.fan_outs) {
      switches_.push_back(
          {weights_.row(layer, tensor, fan_out.destination_slot),
           Staged(first_receive + fan_out.receive, layer, tensor), bytes});
    }
    for (const SlotSend& send : change.sends) {
      sends_.push_back(
          {send.destination_rank,
           {weights_.row(layer, tensor, send.source_slot), bytes, space}});
    }
    for (size_t i = 0; i < change.receives.size(); ++i) {
      const SlotReceive& receive = change.receives[i];
      std::byte* const row =
          Staged(first_receive + static_cast<int>(i), layer, tensor);
      receives_.push_back({receive.source_rank, {row, bytes, space}});
      received_.push_back({layer, receive.expert, tensor});
      switches_.push_back(
          {weights_.row(layer, tensor, receive.destination_slot), row, bytes});
    }
  }
}

std::string UnitRows::DescribeReceive(size_t receive) const {
  const Received& received = received_[receive];
  return absl::StrCat("layer ", received.layer, ", expert ", received.expert,
                      ", tensor ",
                      weights_.tensors(received.layer)[received.tensor].name,
                      ", from rank ", receives_[receive].source);
}

}  // namespace eplb
