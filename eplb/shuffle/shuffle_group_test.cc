#include "eplb/shuffle/shuffle_group_test.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "collectives/checked.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr size_t kWeightBytes = 1000;
constexpr size_t kWeightStride = 1024;
constexpr size_t kScaleBytes = 13;

}  // namespace

RankWeights::RankWeights(int num_layers, int num_slots, MemorySpace space)
    : memory_(static_cast<size_t>(num_layers) * num_slots *
                  (kWeightStride + kScaleBytes),
              FaultyDevice::kPoison) {
  std::vector<std::vector<ExpertTensor>> layers;
  std::byte* next = memory_.data();
  for (int layer = 0; layer < num_layers; ++layer) {
    layers.push_back({{.name = "weight",
                       .data = next,
                       .num_rows = num_slots,
                       .bytes_per_row = kWeightBytes,
                       .stride_bytes = kWeightStride,
                       .element_type = WeightType::kFloat8,
                       .space = space},
                      {.name = "scale",
                       .data = next + kWeightStride * num_slots,
                       .num_rows = num_slots,
                       .bytes_per_row = kScaleBytes,
                       .stride_bytes = kScaleBytes,
                       .element_type = WeightType::kByte,
                       .space = space}});
    next += (kWeightStride + kScaleBytes) * num_slots;
  }
  weights_ = ExpertWeights::Create(std::move(layers));
}

void RankWeights::Fill(int layer, absl::Span<const int32_t> experts) {
  for (size_t slot = 0; slot < experts.size(); ++slot) {
    if (experts[slot] == Placement::kEmptySlot) continue;
    for (int tensor = 0; tensor < 2; ++tensor) {
      FillRow({layer, experts[slot], tensor},
              absl::MakeSpan(weights_->row(layer, tensor, slot),
                             weights_->tensors(layer)[tensor].bytes_per_row));
    }
  }
}

bool RankWeights::Holds(int layer, absl::Span<const int32_t> experts) const {
  for (size_t slot = 0; slot < experts.size(); ++slot) {
    if (experts[slot] == Placement::kEmptySlot) continue;
    for (int tensor = 0; tensor < 2; ++tensor) {
      if (!HoldsRow({layer, experts[slot], tensor},
                    absl::MakeConstSpan(
                        weights_->row(layer, tensor, slot),
                        weights_->tensors(layer)[tensor].bytes_per_row))) {
        return false;
      }
    }
  }
  return true;
}

std::vector<std::byte> RankWeights::memory(int layer) const {
  const auto layer_bytes =
      static_cast<ptrdiff_t>(memory_.size()) / weights_->num_layers();
  const auto begin = memory_.begin() + layer * layer_bytes;
  return {begin, begin + layer_bytes};
}

absl::Status ShuffleRank::Publish(const ShuffleUnit& unit) {
  for (const LayerChange& change : unit.layers) {
    routes[change.layer] = change.new_experts;
  }
  return absl::OkStatus();
}

ShuffleGroup::ShuffleGroup(int num_ranks, const Placement& placement)
    : num_ranks_(num_ranks),
      slots_per_rank_(placement.num_slots() / num_ranks),
      placement_(placement),
      control_group_(*InProcessGroup::Create(num_ranks, clock_)),
      data_group_(*InProcessGroup::Create(num_ranks, clock_)),
      ranks_(num_ranks),
      control_(num_ranks),
      data_(num_ranks) {}

void ShuffleGroup::CreateRanks(
    const ShuffleOptions& options,
    std::vector<FaultyDeviceOptions> device_options) {
  device_options.resize(num_ranks_, device_options.back());
  for (int r = 0; r < num_ranks_; ++r) {
    ShuffleRank& rank = ranks_[r];
    rank.device = std::make_unique<FaultyDevice>(device_options[r]);
    rank.stream = *rank.device->CreateStream();
    rank.weights = std::make_unique<RankWeights>(
        placement_.num_layers(), slots_per_rank_, rank.device->memory_space());
    rank.routes.clear();
    for (int layer = 0; layer < placement_.num_layers(); ++layer) {
      const absl::Span<const int32_t> experts =
          placement_.experts_of_slots(layer);
      rank.weights->Fill(layer, Local(experts, r));
      rank.routes.emplace_back(experts.begin(), experts.end());
    }
    auto shuffler = WeightShuffler::Create(rank.weights->weights(), placement_,
                                           *rank.device, clock_, options);
    rank.shuffler = shuffler.ok() ? *std::move(shuffler) : nullptr;
  }
}

void ShuffleGroup::Run(absl::Span<const int> ranks,
                       const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (const int rank : ranks) threads.emplace_back(body, rank);
  for (std::thread& thread : threads) thread.join();
}

ShuffleChannels ShuffleGroup::Connect(int rank, uint64_t epoch,
                                      std::vector<int> members,
                                      ChannelFaults faults) {
  auto control = std::make_unique<FaultyCommunicator>(
      *control_group_->FactoryOfRank(rank)->Connect(epoch, members, Soon()),
      clock_, std::move(faults.control));
  control_[rank] = control.get();
  auto data = std::make_shared<FaultyCommunicator>(
      *data_group_->FactoryOfRank(rank)->Connect(epoch, members, Soon()),
      clock_, std::move(faults.data));
  data_[rank] = data.get();
  auto checked = std::make_shared<CheckedCommunicator>(std::move(control));
  checked->context().epoch = epoch;
  return {std::move(checked), std::move(data)};
}

bool ShuffleGroup::Holds(int rank, int layer,
                         const Placement& placement) const {
  const absl::Span<const int32_t> experts = placement.experts_of_slots(layer);
  const ShuffleRank& r = ranks_[rank];
  return r.weights->Holds(layer, Local(experts, rank)) &&
         r.routes[layer] == experts &&
         r.shuffler->installed_experts(layer) == experts;
}

SteadyTime ShuffleGroup::Soon() const {
  return clock_.Now() + std::chrono::seconds(60);
}

std::vector<int> ShuffleGroup::all_ranks() const {
  std::vector<int> ranks(num_ranks_);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

Placement RandomPlacement(DeterministicRandom& random, int num_layers,
                          int num_experts, int num_slots) {
  std::vector<int32_t> experts;
  for (int layer = 0; layer < num_layers; ++layer) {
    std::vector<int32_t> row(num_slots);
    for (int slot = 0; slot < num_slots; ++slot) {
      row[slot] = slot < num_experts
                      ? slot
                      : static_cast<int>(random.NextBelow(num_experts + 1)) - 1;
    }
    for (int i = num_slots; i > 1; --i) {
      std::swap(row[i - 1], row[random.NextBelow(i)]);
    }
    experts.insert(experts.end(), row.begin(), row.end());
  }
  return *Placement::Create(num_layers, num_experts, num_slots, experts);
}

}  // namespace eplb
