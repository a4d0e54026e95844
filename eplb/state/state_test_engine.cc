#include "eplb/state/state_test_engine.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/load/load_recorder.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "testing/deterministic_random.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

uint64_t Digest(absl::Span<const std::byte> weight,
                absl::Span<const std::byte> scale) {
  const auto text = [](absl::Span<const std::byte> bytes) {
    return absl::string_view(reinterpret_cast<const char*>(bytes.data()),
                             bytes.size());
  };
  return StableHash().Add(text(weight)).Add(text(scale)).value();
}

}  // namespace

TestEngine::TestEngine(const ModelShape& shape, int slots_per_rank)
    : shape_(shape),
      slots_per_rank_(slots_per_rank),
      weights_(shape.num_layers * slots_per_rank * kWeightBytes),
      scales_(shape.num_layers * slots_per_rank * kScaleBytes) {
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      FillRow({layer, -1, 0}, {Row(layer, 0, slot), kWeightBytes});
      FillRow({layer, -1, 1}, {Row(layer, 1, slot), kScaleBytes});
    }
  }
}

std::byte* TestEngine::Row(int layer, int tensor, int slot) const {
  const size_t index = static_cast<size_t>(layer) * slots_per_rank_ + slot;
  return tensor == 0 ? &weights_[index * kWeightBytes]
                     : &scales_[index * kScaleBytes];
}

void TestEngine::Load(const Placement& placement, int rank) {
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      const int expert =
          placement.expert_of_slot(layer, rank * slots_per_rank_ + slot);
      FillRow({layer, expert, 0}, {Row(layer, 0, slot), kWeightBytes});
      FillRow({layer, expert, 1}, {Row(layer, 1, slot), kScaleBytes});
    }
  }
}

ExpertWeights TestEngine::Weights() const {
  std::vector<std::vector<ExpertTensor>> layers(shape_.num_layers);
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    for (const int tensor : {0, 1}) {
      ExpertTensor rows;
      rows.name = tensor == 0 ? "weight" : "scale";
      rows.data = Row(layer, tensor, 0);
      rows.num_rows = slots_per_rank_;
      rows.bytes_per_row = tensor == 0 ? kWeightBytes : kScaleBytes;
      rows.stride_bytes = rows.bytes_per_row;
      layers[layer].push_back(std::move(rows));
    }
  }
  return *ExpertWeights::Create(std::move(layers));
}

std::string TestEngine::FindWrongRow(const Placement& placement,
                                     int rank) const {
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      const int expert =
          placement.expert_of_slot(layer, rank * slots_per_rank_ + slot);
      if (expert == Placement::kEmptySlot) continue;
      for (const int tensor : {0, 1}) {
        if (!HoldsRow({layer, expert, tensor},
                      {Row(layer, tensor, slot),
                       tensor == 0 ? kWeightBytes : kScaleBytes})) {
          return absl::StrCat("rank ", rank, ", layer ", layer, ", slot ", slot,
                              ", tensor ", tensor, " does not hold expert ",
                              expert);
        }
      }
    }
  }
  return "";
}

std::vector<uint64_t> TestEngine::ComputeSlots() const {
  std::vector<uint64_t> digests;
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      digests.push_back(Digest({Row(layer, 0, slot), kWeightBytes},
                               {Row(layer, 1, slot), kScaleBytes}));
    }
  }
  return digests;
}

uint64_t TestEngine::ComputeExpert(int layer, int expert) {
  std::array<std::byte, kWeightBytes> weight;
  std::array<std::byte, kScaleBytes> scale;
  FillRow({layer, expert, 0}, absl::MakeSpan(weight));
  FillRow({layer, expert, 1}, absl::MakeSpan(scale));
  return Digest(weight, scale);
}

RoutedTokens TestEngine::Forward(EplbState& state, int model, Device& device,
                                 Stream& stream, int num_tokens, int phase,
                                 DeterministicRandom& random) const {
  RoutedTokens routed;
  std::vector<int32_t> ids(num_tokens);
  std::vector<int32_t> slots(num_tokens);
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    const LayerView view = state.layer_view(model, layer);
    for (int32_t& id : ids) {
      // The minimum of three is skewed to the first experts.
      int64_t pick = random.NextBelow(shape_.num_logical_experts);
      for (int i = 0; i < 2; ++i) {
        pick = std::min(pick, random.NextBelow(shape_.num_logical_experts));
      }
      id = static_cast<int32_t>((pick + phase + 3 * layer) %
                                shape_.num_logical_experts);
    }
    MapAndRecordPass pass;
    pass.table = view.routes;
    pass.choice = view.replica_choice;
    pass.rank = state.rank();
    pass.logical_ids = ids.data();
    pass.num_tokens = num_tokens;
    pass.top_k = 1;
    pass.slot_ids = slots.data();
    pass.slot_counts = view.pass_counts;
    std::vector<int32_t> slot_counts(view.routes.max_slots);
    if (counted_ == CountedExperts::kLogicalExperts) {
      for (const int32_t id : ids) ++view.pass_counts[id];
      pass.slot_counts = slot_counts.data();
    }
    const absl::Status status = device.MapAndRecord(pass, stream);
    EXPECT_TRUE(status.ok()) << status;
    for (int token = 0; token < num_tokens; ++token) {
      routed.tokens.push_back({layer, ids[token], slots[token]});
    }
  }
  return routed;
}

}  // namespace eplb
