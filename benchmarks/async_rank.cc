#include "benchmarks/async_rank.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "kernels/device.h"
#include "policies/placement_policy.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr std::chrono::milliseconds kForward{10};
// That may be staged at once.
constexpr int kStagedLayers = 4;

// Benchmarks have nobody to return an error to.
void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::abort();
}
template <typename T>
T Value(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

double CpuMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e6 + now.tv_nsec * 1e-3;
}

thread_local double copied_us = 0;

// Every expert goes to the next rank: every slot of every layer changes.
class ShiftingPolicy final : public PlacementPolicy {
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>&) const override {
    const int num_slots = request.shape.num_physical_experts();
    std::vector<int32_t> experts;
    for (int layer = 0; layer < request.shape.num_layers; ++layer) {
      const auto now = request.current->experts_of_slots(layer);
      for (int slot = 0; slot < num_slots; ++slot) {
        experts.push_back(now[(slot + request.slots_per_rank()) % num_slots]);
      }
    }
    return experts;
  }
};

EplbConfig ConfigOf(AsyncMode mode) {
  EplbConfig config;
  config.policy = "shifting";
  config.window_size = 20;
  // The first interval is a quarter long.
  config.step_interval = mode == AsyncMode::kNone
                             ? int64_t{1} << 40
                             : 4 * AsyncRank::kFirstRunStep;
  config.use_async = mode == AsyncMode::kBackground;
  config.staging_bytes = kStagedLayers * AsyncRank::kLayerBytes;
  return config;
}

void Append(const std::vector<double>& from, std::vector<double>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void AsyncTimes::Add(const AsyncTimes& rank) {
  Append(rank.wall, wall);
  Append(rank.switching, switching);
  Append(rank.copying, copying);
  Append(rank.other, other);
  Append(rank.copying_alone, copying_alone);
  run_steps = std::max(run_steps, rank.run_steps);
  wrong += rank.wrong;
}

std::string AsyncTimes::Serialize() const {
  std::vector<std::string> fields = {absl::StrCat(run_steps),
                                     absl::StrCat(wrong)};
  for (const auto* times :
       {&wall, &switching, &copying, &other, &copying_alone}) {
    fields.push_back(absl::StrJoin(*times, ","));
  }
  return absl::StrJoin(fields, ";");
}

AsyncTimes AsyncTimes::Parse(const std::string& line) {
  AsyncTimes times;
  const std::vector<std::string> fields = absl::StrSplit(line, ';');
  if (fields.size() != 7) Check(absl::DataLossError("a rank has ended early"));
  if (!absl::SimpleAtoi(fields[0], &times.run_steps) ||
      !absl::SimpleAtoi(fields[1], &times.wrong)) {
    Check(absl::DataLossError(line));
  }
  size_t field = 2;
  for (auto* list : {&times.wall, &times.switching, &times.copying,
                     &times.other, &times.copying_alone}) {
    for (const auto text :
         absl::StrSplit(fields[field++], ',', absl::SkipEmpty())) {
      if (!absl::SimpleAtod(text, &list->emplace_back())) {
        Check(absl::DataLossError(line));
      }
    }
  }
  return times;
}

double CopyTimingDevice::Copied() { return copied_us; }

absl::Status CopyTimingDevice::CopyBatch(absl::Span<const CopyRow> rows,
                                         Stream& stream) {
  if (rows.empty() || rows[0].num_bytes != row_bytes_) {
    return device_.CopyBatch(rows, stream);
  }
  const double begin = CpuMicroseconds();
  const absl::Status status = device_.CopyBatch(rows, stream);
  copied_us += CpuMicroseconds() - begin;
  return status;
}

AsyncRank::AsyncRank(CommunicatorFactory& factory, int rank, int num_ranks,
                     AsyncMode mode)
    : rank_(rank),
      num_ranks_(num_ranks),
      mode_(mode),
      memory_(kLayers * kLayerBytes) {
  std::vector<std::vector<ExpertTensor>> layers;
  for (int layer = 0; layer < kLayers; ++layer) {
    layers.push_back({{.name = "weight",
                       .data = Row(layer, 0).data(),
                       .num_rows = kSlotsPerRank,
                       .bytes_per_row = kRowBytes,
                       .stride_bytes = kRowBytes}});
    for (int slot = 0; slot < kSlotsPerRank; ++slot) {
      FillRow({layer, rank * kSlotsPerRank + slot}, Row(layer, slot));
    }
  }
  Check(policies_.Register("shifting", std::make_unique<ShiftingPolicy>()));
  std::vector<int> members(num_ranks);
  std::iota(members.begin(), members.end(), 0);
  control_ = Value(
      factory.Connect(1, members, clock_.Now() + std::chrono::minutes(1)));
  EplbDependencies dependencies;
  dependencies.control = control_.get();
  dependencies.policies = &policies_;
  dependencies.device = &device_;
  dependencies.clock = &clock_;
  state_ = Value(EplbState::Create(ConfigOf(mode), dependencies));
  const ModelShape shape{.num_layers = kLayers,
                         .num_logical_experts = num_ranks * kSlotsPerRank};
  Check(state_->AddModel("main", shape,
                         Value(ExpertWeights::Create(std::move(layers)))));
  Check(state_->StartBackground());
}

AsyncTimes AsyncRank::Serve() {
  AsyncTimes times;
  for (int step = 1; step <= kSteps; ++step) {
    std::this_thread::sleep_for(kForward);
    CountTokens();
    const SteadyTime begin = clock_.Now();
    const double cpu_begin = CpuMicroseconds();
    const double copied_before = CopyTimingDevice::Copied();
    Check(state_->Step());
    const double cpu = CpuMicroseconds() - cpu_begin;
    const double copied = CopyTimingDevice::Copied() - copied_before;
    times.wall.push_back(
        std::chrono::duration<double, std::micro>(clock_.Now() - begin)
            .count());
    if (copied > 0) {
      times.switching.push_back(cpu);
      times.copying.push_back(copied);
      times.run_steps = step - kFirstRunStep;
    } else {
      times.other.push_back(cpu);
    }
  }
  Check(state_->Drain());
  Check(state_->Shutdown());
  times.wrong = CountWrong();
  if (mode_ == AsyncMode::kBackground) times.copying_alone = CopyAlone();
  return times;
}

// The part of the forward pass that the state reads.
void AsyncRank::CountTokens() {
  for (int layer = 0; layer < kLayers; ++layer) {
    int32_t* const counts = state_->layer_view(0, layer).pass_counts;
    for (int slot = 0; slot < num_ranks_ * kSlotsPerRank; ++slot) {
      counts[slot] += 1;
    }
  }
}

int64_t AsyncRank::CountWrong() {
  int64_t wrong = 0;
  for (int layer = 0; layer < kLayers; ++layer) {
    const auto experts = state_->placement(0).experts_of_slots(layer);
    const bool has_moved = experts[0] != 0;
    if (has_moved != (mode_ != AsyncMode::kNone)) ++wrong;
    for (int slot = 0; slot < kSlotsPerRank; ++slot) {
      wrong += !HoldsRow({layer, experts[rank_ * kSlotsPerRank + slot]},
                         Row(layer, slot));
    }
  }
  return wrong;
}

// As old as at a switch: other rows were written after those that are copied.
std::vector<double> AsyncRank::CopyAlone() {
  std::vector<std::byte> staging(kStagedLayers * kLayerBytes);
  const std::unique_ptr<Stream> stream = Value(device_.CreateStream());
  std::vector<double> copying;
  for (int layer = 0; layer < kLayers; ++layer) {
    std::byte* const oldest =
        staging.data() + layer % kStagedLayers * kLayerBytes;
    std::vector<CopyRow> rows;
    for (int slot = 0; slot < kSlotsPerRank; ++slot) {
      rows.push_back(
          {Row(layer, slot).data(), oldest + slot * kRowBytes, kRowBytes});
    }
    std::this_thread::sleep_for(kForward);
    const double before = CopyTimingDevice::Copied();
    Check(device_.CopyBatch(rows, *stream));
    copying.push_back(CopyTimingDevice::Copied() - before);
    std::thread([&] {
      std::fill_n(oldest, kLayerBytes, static_cast<std::byte>(layer));
    }).join();
  }
  return copying;
}

}  // namespace eplb
