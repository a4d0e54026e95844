#include "eplb/state/background/modelled_rank_test.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_rearrangement.h"
#include "testing/deterministic_random.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr std::chrono::milliseconds kTimeout{100};
constexpr std::chrono::milliseconds kLongestForward{4};
constexpr int64_t kMostStepsAhead = 8;
constexpr int kPassAttempts = 300;
constexpr int kDrainAttempts = 30;
constexpr size_t kRowBytes = 40;
constexpr size_t kLayerBytes = kRowBytes * ModelScript::kSlotsPerRank;

ExpertWeights WeightsIn(std::vector<std::byte>& memory) {
  std::vector<std::vector<ExpertTensor>> layers;
  for (int layer = 0; layer < ModelScript::kLayers; ++layer) {
    layers.push_back({{.name = "weight",
                       .data = memory.data() + layer * kLayerBytes,
                       .num_rows = ModelScript::kSlotsPerRank,
                       .bytes_per_row = kRowBytes,
                       .stride_bytes = kRowBytes}});
  }
  return *ExpertWeights::Create(std::move(layers));
}

}  // namespace

Placement ModelScript::PlacementAt(int64_t step) const {
  DeterministicRandom random(options.seed, /*stream=*/1000 + step);
  const int num_slots = num_ranks * kSlotsPerRank;
  std::vector<int32_t> experts;
  for (int layer = 0; layer < kLayers; ++layer) {
    const size_t begin = experts.size();
    for (int slot = 0; slot < num_slots; ++slot) {
      experts.push_back(slot < num_experts() ? slot
                                             : random.NextBelow(num_experts()));
    }
    for (int i = num_slots; i > 1; --i) {
      std::swap(experts[begin + i - 1], experts[begin + random.NextBelow(i)]);
    }
  }
  return *Placement::Create(kLayers, num_experts(), num_slots,
                            std::move(experts));
}

SteadyTime InterruptingClock::Now() const {
  if (interrupt_ && scheduler_.random().NextBelow(6) == 0) {
    std::exchange(interrupt_, nullptr)();
  }
  return scheduler_.clock().Now();
}

ModelledRank::ModelledRank(const ModelScript& script, int rank,
                           SeededScheduler& scheduler,
                           ScheduledNetwork& network, ModelProgress& progress)
    : script_(script),
      rank_(rank),
      scheduler_(scheduler),
      network_(network),
      progress_(progress),
      topology_(*Topology::Uniform(script.num_ranks)),
      factory_(network.FactoryOfProcess(rank)),
      stream_(*device_.CreateStream()),
      memory_(kLayerBytes * ModelScript::kLayers, std::byte{0xa5}) {
  const Placement initial = script.PlacementAt(0);
  for (int layer = 0; layer < ModelScript::kLayers; ++layer) {
    const auto experts = initial.experts_of_slots(layer);
    routes_.emplace_back(experts.begin(), experts.end());
  }
  FillWeights();
  shuffler_ = *WeightShuffler::Create(
      WeightsIn(memory_), initial, device_, scheduler.clock(),
      {.staging_bytes = script.staging_bytes,
       .max_switch_bytes_per_unit = script.switch_bytes,
       .operation_timeout = kTimeout});
}

void ModelledRank::Serve() {
  absl::StatusOr<ShuffleChannels> channels =
      Connect(0, scheduler_.clock().Now() + 10 * kTimeout);
  if (!channels.ok()) {
    --progress_.num_serving;
    return;
  }
  BackgroundOptions options{.fence_margin = script_.options.fence_margin,
                            .transfer_bytes_per_step = 100,
                            .refill_interval = std::chrono::milliseconds(1),
                            .max_waiting_tasks = 2,
                            .operation_timeout = kTimeout};
  BackgroundDependencies dependencies{
      .models = {{"main", shuffler_.get()}},
      .device = &device_,
      .clock = &clock_,
      .connect =
          [this](uint64_t attempt, SteadyTime deadline) {
            return Connect(attempt, deadline);
          },
      .on_run_end =
          [this](const RunReport& report) {
            outcome_.runs += report.status.ok();
          },
      .on_failure = nullptr,
      .on_slow_wait = nullptr};
  background_ = std::make_unique<BackgroundRearrangement>(
      options, std::move(dependencies), *std::move(channels),
      ModelScript::kFirstStep - 1);
  // Nobody but the worker keeps channels from now on.
  channels = absl::CancelledError();
  scheduler_.Spawn(absl::StrCat("worker ", rank_),
                   [this] { background_->Run(); });
  int64_t step = ModelScript::kFirstStep;
  while (step <= ModelScript::kLastStep && ServeStep(step)) ++step;
  outcome_.fence_waits = background_->metrics().fence_waits.count;
  --progress_.num_serving;
  scheduler_.WaitFor(
      [this] { return progress_.num_serving == 0 || is_shut_down_; },
      scheduler_.clock().Now() + 20 * kTimeout);
  Shutdown();
}

void ModelledRank::Shutdown() {
  is_shut_down_ = true;
  if (background_ == nullptr) return;
  absl::Status ended = background_->Shutdown();
  // The scheduler's time may jump over its deadline and the worker's at once.
  if (!ended.ok()) ended = background_->Shutdown();
  if (!ended.ok()) Violation(absl::StrCat("shutdown: ", ended.ToString()));
}

// ---- The serving loop.

bool ModelledRank::ServeStep(int64_t step) {
  Pause();
  StayTogether(step);
  if (is_dead() || is_shut_down_) return false;
  CheckWeights(step);
  routes_of_step_[step] = HashOfRoutes();
  if (!PassStep(step)) return false;
  if (step == script_.weights_change_step) RewriteWeights();
  if (step == script_.drain_step ||
      (step == ModelScript::kLastStep && !script_.options.has_accidents)) {
    if (!Drain(step)) return false;
  }
  GiveOrders(step);
  const absl::Status failure = background_->TakeFailure();
  if (failure.ok()) return true;
  ++outcome_.failures;
  if (!script_.options.has_accidents) {
    Violation(absl::StrCat("failure: ", failure.ToString()));
  }
  return true;
}

// Engines meet in every step. Where nothing may fail, these do not get so far
// apart either that one comes to its switches too late for the others.
void ModelledRank::StayTogether(int64_t step) {
  progress_.steps[rank_] = step;
  if (script_.options.has_accidents) return;
  scheduler_.WaitFor(
      [&] {
        return step <=
               kMostStepsAhead + *std::min_element(progress_.steps.begin(),
                                                   progress_.steps.end());
      },
      scheduler_.clock().Now() + kTimeout);
}

bool ModelledRank::PassStep(int64_t step) {
  bool was_in_doubt = false;
  for (int attempt = 0; attempt < kPassAttempts; ++attempt) {
    const absl::Status passed = background_->Pass(
        step, *stream_,
        [this](int, const ShuffleUnit& unit) { return Publish(unit); });
    if (is_dead()) return false;
    if (passed.ok()) {
      outcome_.settled += was_in_doubt;
      return true;
    }
    if (absl::IsCancelled(passed)) return false;
    if (absl::IsUnavailable(passed)) {
      ++outcome_.doubts;
      was_in_doubt = true;
      if (script_.options.serves_in_doubt) return true;
    } else if (!absl::IsDeadlineExceeded(passed)) {
      Violation(absl::StrCat("step ", step, ": ", passed.ToString()));
      return false;
    }
    Pause();
  }
  ++outcome_.given_up;
  return false;
}

bool ModelledRank::Drain(int64_t step) {
  for (int attempt = 0; attempt < kDrainAttempts; ++attempt) {
    const absl::Status drained = background_->Drain(
        step, *stream_,
        [this](int, const ShuffleUnit& unit) { return Publish(unit); });
    if (is_dead()) return false;
    if (drained.ok()) return true;
    if (!script_.options.has_accidents) {
      Violation(absl::StrCat("drain: ", drained.ToString()));
      return false;
    }
    if (absl::IsCancelled(drained)) return false;
    ++outcome_.drains_repeated;
    Pause();
  }
  ++outcome_.given_up;
  return false;
}

void ModelledRank::GiveOrders(int64_t step) {
  if (step % ModelScript::kTaskInterval == 0) {
    background_->AddTask(step, [this, step](const ShuffleChannels& channels) {
      return AddUp(step, channels);
    });
  }
  if (!background_->BeginsRun(step, step % ModelScript::kInterval == 0)) return;
  Pause();  // To collect the loads.
  background_->StartRun(step, [this, step](const ShuffleChannels& channels) {
    return Plan(step, channels);
  });
}

void ModelledRank::Pause() {
  const SteadyTime until =
      scheduler_.clock().Now() +
      std::chrono::nanoseconds(scheduler_.random().NextBelow(
          std::chrono::nanoseconds(kLongestForward).count()));
  scheduler_.WaitFor([] { return false; }, until);
  scheduler_.Yield();  // This was no waiting for others: time has no hurry.
}

void ModelledRank::CheckWeights(int64_t step) {
  for (int layer = 0; layer < ModelScript::kLayers; ++layer) {
    for (int slot = 0; slot < ModelScript::kSlotsPerRank; ++slot) {
      const int32_t expert =
          routes_[layer][rank_ * ModelScript::kSlotsPerRank + slot];
      const std::byte* const row =
          memory_.data() + layer * kLayerBytes + slot * kRowBytes;
      if (HoldsRow({layer, expert, weights_generation_},
                   absl::MakeConstSpan(row, kRowBytes))) {
        continue;
      }
      Violation(absl::StrCat("step ", step, ", layer ", layer, ", slot ", slot,
                             " does not hold expert ", expert));
    }
  }
}

void ModelledRank::RewriteWeights() {
  ++weights_generation_;
  FillWeights();
  clock_.Interrupt([this] { background_->WeightsChanged(); });
  Pause();
  clock_.EndInterrupt();
}

void ModelledRank::FillWeights() {
  for (int layer = 0; layer < ModelScript::kLayers; ++layer) {
    for (int slot = 0; slot < ModelScript::kSlotsPerRank; ++slot) {
      FillRow({layer, routes_[layer][rank_ * ModelScript::kSlotsPerRank + slot],
               weights_generation_},
              absl::MakeSpan(
                  memory_.data() + layer * kLayerBytes + slot * kRowBytes,
                  kRowBytes));
    }
  }
}

absl::Status ModelledRank::Publish(const ShuffleUnit& unit) {
  ++outcome_.switches;
  for (const LayerChange& change : unit.layers) {
    routes_[change.layer] = change.new_experts;
  }
  return absl::OkStatus();
}

uint64_t ModelledRank::HashOfRoutes() const {
  StableHash hash;
  for (const std::vector<int32_t>& layer : routes_) hash.Add(layer);
  return hash.value();
}

void ModelledRank::Violation(const std::string& what) {
  outcome_.violations.push_back(absl::StrCat("rank ", rank_, ": ", what));
}

// ---- What the worker calls.

absl::StatusOr<ShuffleChannels> ModelledRank::Connect(uint64_t attempt,
                                                      SteadyTime deadline) {
  std::vector<int> members(script_.num_ranks);
  std::iota(members.begin(), members.end(), 0);
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                        factory_->Connect(2 * attempt + 1, members, deadline));
  // Fails at once where others have given the attempt up.
  EPLB_RETURN_IF_ERROR(control->Barrier(deadline));
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> data,
                        factory_->Connect(2 * attempt + 2, members, deadline));
  auto checked = std::make_shared<CheckedCommunicator>(std::move(control));
  checked->context().epoch = attempt;
  return ShuffleChannels{std::move(checked), std::move(data)};
}

absl::StatusOr<std::vector<ShuffleUnits>> ModelledRank::Plan(
    int64_t step, const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(AddUp(step, channels));
  EPLB_ASSIGN_OR_RETURN(
      ShuffleUnits units,
      shuffler_->Plan(script_.PlacementAt(step), topology_, rank_));
  return std::vector<ShuffleUnits>{std::move(units)};
}

// All ranks must be at the task of the same step.
absl::Status ModelledRank::AddUp(int64_t step,
                                 const ShuffleChannels& channels) {
  std::vector<int64_t> sums = {step};
  EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(
      absl::MakeSpan(sums), scheduler_.clock().Now() + kTimeout));
  if (sums[0] != step * script_.num_ranks) {
    Violation(absl::StrCat("step ", step, " adds up to ", sums[0]));
  }
  return absl::OkStatus();
}

}  // namespace eplb
