#include "eplb/state/background/serving_rank_test.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "testing/weight_pattern.h"

namespace eplb {

ShuffleChannels ChannelsOver(std::unique_ptr<Communicator> communicator,
                             uint64_t epoch) {
  auto control = std::make_shared<CheckedCommunicator>(std::move(communicator));
  control->context().epoch = epoch;
  return {control, control};
}

ServingRank::ServingRank(const Placement& placement, int rank, int num_ranks,
                         Clock& clock, Connect connect, size_t row_bytes,
                         const ShuffleOptions& options)
    : clock_(clock),
      rank_(rank),
      slots_per_rank_(placement.num_slots() / num_ranks),
      row_bytes_(row_bytes),
      topology_(*Topology::Uniform(num_ranks)),
      connect_(std::move(connect)),
      stream_(*device_.CreateStream()),
      memory_(static_cast<size_t>(placement.num_layers()) * slots_per_rank_ *
              row_bytes) {
  std::vector<std::vector<ExpertTensor>> layers;
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const auto experts = placement.experts_of_slots(layer);
    routes_.emplace_back(experts.begin(), experts.end());
    layers.push_back({{.name = "weight",
                       .data = Row(layer, 0).data(),
                       .num_rows = slots_per_rank_,
                       .bytes_per_row = row_bytes,
                       .stride_bytes = row_bytes}});
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      FillRow({layer, experts[rank * slots_per_rank_ + slot]},
              Row(layer, slot));
    }
  }
  shuffler_ = *WeightShuffler::Create(*ExpertWeights::Create(std::move(layers)),
                                      placement, device_, clock, options);
}

ServingRank::~ServingRank() {
  if (!worker_.joinable()) return;
  background_->Shutdown().IgnoreError();
  worker_.join();
}

absl::Status ServingRank::Start(const BackgroundOptions& options,
                                bool can_reconnect) {
  EPLB_ASSIGN_OR_RETURN(ShuffleChannels channels,
                        connect_(0, clock_.Now() + std::chrono::minutes(1)));
  BackgroundDependencies dependencies{
      .models = {{"main", shuffler_.get()}},
      .device = &device_,
      .clock = &clock_,
      .connect = can_reconnect ? connect_ : nullptr,
      .on_run_end =
          [this](const RunReport& report) {
            layers_agreed_ += report.layers_agreed;
            runs_completed_ += report.status.ok() && report.ended_early.empty();
          },
      .on_failure = [this](int64_t, const absl::Status&) { ++failures_told_; },
      .on_slow_wait = nullptr};
  background_ = std::make_unique<BackgroundRearrangement>(
      options, std::move(dependencies), std::move(channels), /*passed=*/0);
  worker_ = std::thread([this] { background_->Run(); });
  return absl::OkStatus();
}

absl::Status ServingRank::Pass(int64_t step) {
  if (const std::string wrong = FindWrongRow(); !wrong.empty()) {
    return absl::DataLossError(absl::StrCat("step ", step, ": ", wrong));
  }
  return background_->Pass(
      step, *stream_,
      [this](int, const ShuffleUnit& unit) { return Publish(unit); });
}

absl::Status ServingRank::Drain(int64_t step) {
  return background_->Drain(
      step, *stream_,
      [this](int, const ShuffleUnit& unit) { return Publish(unit); });
}

bool ServingRank::MayRun(int64_t step, bool at_interval,
                         const Placement& next) {
  if (!background_->BeginsRun(step, at_interval)) return false;
  background_->StartRun(
      step,
      [this, next](
          const ShuffleChannels&) -> absl::StatusOr<std::vector<ShuffleUnits>> {
        EPLB_ASSIGN_OR_RETURN(ShuffleUnits units,
                              shuffler_->Plan(next, topology_, rank_));
        return std::vector<ShuffleUnits>{std::move(units)};
      });
  return true;
}

std::string ServingRank::FindWrongRow() const {
  for (size_t layer = 0; layer < routes_.size(); ++layer) {
    for (int slot = 0; slot < slots_per_rank_; ++slot) {
      const int expert = routes_[layer][rank_ * slots_per_rank_ + slot];
      const auto row = absl::MakeConstSpan(memory_).subspan(
          (layer * slots_per_rank_ + slot) * row_bytes_, row_bytes_);
      if (HoldsRow({static_cast<int>(layer), expert}, row)) continue;
      return absl::StrCat("rank ", rank_, ", layer ", layer, ", slot ", slot,
                          " does not hold expert ", expert);
    }
  }
  return "";
}

bool ServingRank::IsRoutedBy(const Placement& placement) const {
  for (size_t layer = 0; layer < routes_.size(); ++layer) {
    if (absl::MakeConstSpan(routes_[layer]) !=
        placement.experts_of_slots(static_cast<int>(layer))) {
      return false;
    }
  }
  return true;
}

uint64_t ServingRank::HashOfRoutes() const {
  StableHash hash;
  for (const std::vector<int32_t>& layer : routes_) hash.Add(layer);
  return hash.value();
}

absl::Status ServingRank::Publish(const ShuffleUnit& unit) {
  for (const LayerChange& change : unit.layers) {
    routes_[change.layer] = change.new_experts;
    ++layers_switched_;
  }
  return absl::OkStatus();
}

}  // namespace eplb
