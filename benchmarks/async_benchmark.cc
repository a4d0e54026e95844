// What rearranging costs the serving thread: nothing moved, everything moved in
// one step, everything moved in the background. Ranks are threads that serve
// in steps of 10 ms; every slot of every layer gets another
// expert.
//
//   bazel run -c opt //benchmarks:async

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_rearrangement.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/temporary_folder.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr int kLayers = 58;
constexpr int kSlotsPerRank = 8;
constexpr size_t kRowBytes = size_t{64} << 10;
constexpr size_t kLayerBytes = kSlotsPerRank * kRowBytes;
constexpr int kFirstRunStep = 20;
constexpr int kSteps = 200;
constexpr std::chrono::milliseconds kForward{10};

enum class Mode { kNone, kSynchronous, kBackground };

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

// One expert per slot, all of them `shift` ranks further on.
Placement Shifted(int num_ranks, int shift) {
  const int num_slots = num_ranks * kSlotsPerRank;
  std::vector<int32_t> experts;
  for (int layer = 0; layer < kLayers; ++layer) {
    for (int slot = 0; slot < num_slots; ++slot) {
      experts.push_back((slot + shift * kSlotsPerRank) % num_slots);
    }
  }
  return Value(
      Placement::Create(kLayers, num_slots, num_slots, std::move(experts)));
}

struct StepTime {
  double wall_us = 0;
  double cpu_us = 0;
  bool has_switched = false;
};

// A rank of an engine that does nothing but step.
class Rank {
 public:
  Rank(int rank, int num_ranks, std::unique_ptr<Communicator> communicator,
       Clock& clock)
      : rank_(rank),
        num_ranks_(num_ranks),
        clock_(clock),
        topology_(Value(Topology::Uniform(num_ranks))),
        stream_(Value(device_.CreateStream())),
        memory_(kLayers * kLayerBytes),
        next_(Shifted(num_ranks, 1)) {
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
    shuffler_ = Value(WeightShuffler::Create(
        Value(ExpertWeights::Create(std::move(layers))), Shifted(num_ranks, 0),
        device_, clock, {.staging_bytes = 4 * kLayerBytes}));
    auto control =
        std::make_shared<CheckedCommunicator>(std::move(communicator));
    channels_ = {control, control};
  }

  std::vector<StepTime> Serve(Mode mode) {
    if (mode == Mode::kBackground) StartBackground();
    std::vector<StepTime> times;
    for (int step = 1; step <= kSteps; ++step) {
      std::this_thread::sleep_for(kForward);
      const SteadyTime begin = clock_.Now();
      const double cpu_begin = CpuMicroseconds();
      const int switched_before = num_switched_;
      if (mode == Mode::kSynchronous && step == kFirstRunStep) MoveNow(step);
      if (mode == Mode::kBackground) StepInBackground(step);
      times.push_back({.wall_us = std::chrono::duration<double, std::micro>(
                                      clock_.Now() - begin)
                                      .count(),
                       .cpu_us = CpuMicroseconds() - cpu_begin,
                       .has_switched = num_switched_ != switched_before});
      if (run_ends_ == 0 && num_switched_ == kLayers) run_ends_ = step;
    }
    if (mode == Mode::kBackground) {
      Check(background_->Drain(kSteps, *stream_, publish_));
      Check(background_->Shutdown());
      worker_.join();
    }
    return times;
  }

  int64_t CountWrong(Mode mode) {
    const int shift = mode == Mode::kNone ? 0 : 1;
    int64_t wrong = 0;
    for (int layer = 0; layer < kLayers; ++layer) {
      for (int slot = 0; slot < kSlotsPerRank; ++slot) {
        const int expert =
            ((rank_ + shift) % num_ranks_) * kSlotsPerRank + slot;
        wrong += !HoldsRow({layer, expert}, Row(layer, slot));
      }
    }
    return wrong;
  }

  // The yardstick: the rows of one layer copied from rows that another thread
  // has written, after a step's pause, as at a switch.
  std::vector<double> CopyLayers() {
    std::vector<std::byte> staging(kLayerBytes);
    std::vector<double> cpu_us;
    for (int layer = 0; layer < kLayers; ++layer) {
      std::thread([&] {
        std::fill(staging.begin(), staging.end(), std::byte{1});
      }).join();
      std::this_thread::sleep_for(kForward);
      std::vector<CopyRow> rows;
      for (int slot = 0; slot < kSlotsPerRank; ++slot) {
        rows.push_back(
            {Row(layer, slot).data(), &staging[slot * kRowBytes], kRowBytes});
      }
      const double begin = CpuMicroseconds();
      Check(device_.CopyBatch(rows, *stream_));
      cpu_us.push_back(CpuMicroseconds() - begin);
    }
    return cpu_us;
  }

  int run_steps() const { return run_ends_ - kFirstRunStep; }

 private:
  absl::Span<std::byte> Row(int layer, int slot) {
    return absl::MakeSpan(memory_).subspan(
        layer * kLayerBytes + slot * kRowBytes, kRowBytes);
  }

  void StartBackground() {
    BackgroundDependencies dependencies;
    dependencies.shufflers = {shuffler_.get()};
    dependencies.device = &device_;
    dependencies.clock = &clock_;
    dependencies.connect = [](uint64_t, SteadyTime) {
      return absl::UnavailableError("nothing fails in a benchmark");
    };
    background_ = std::make_unique<BackgroundRearrangement>(
        BackgroundOptions{.transfer_bytes_per_step = 0},
        std::move(dependencies), channels_, /*passed=*/0);
    worker_ = std::thread([this] { background_->Run(); });
  }

  void StepInBackground(int step) {
    Check(background_->Pass(step, *stream_, publish_));
    if (background_->BeginsRun(step, step == kFirstRunStep)) {
      background_->StartRun(
          step, [this](const ShuffleChannels&) { return PlanUnits(); });
    }
    Check(background_->TakeFailure());
  }

  absl::StatusOr<std::vector<ShuffleUnits>> PlanUnits() {
    EPLB_ASSIGN_OR_RETURN(ShuffleUnits units,
                          shuffler_->Plan(next_, topology_, rank_));
    return std::vector<ShuffleUnits>{std::move(units)};
  }

  void MoveNow(int step) {
    const std::vector<ShuffleUnits> units = Value(PlanUnits());
    Check(ShuffleNow(*shuffler_, units[0], step, channels_, *stream_,
                     [&](const ShuffleUnit& unit) { return publish_(0, unit); })
              .status);
  }

  const int rank_;
  const int num_ranks_;
  Clock& clock_;
  const Topology topology_;
  CpuDevice device_{{.num_threads = 1}};
  const std::unique_ptr<Stream> stream_;
  std::vector<std::byte> memory_;
  const Placement next_;
  std::unique_ptr<WeightShuffler> shuffler_;
  ShuffleChannels channels_;
  std::unique_ptr<BackgroundRearrangement> background_;
  std::thread worker_;
  int num_switched_ = 0;
  int run_ends_ = 0;
  const std::function<absl::Status(int, const ShuffleUnit&)> publish_ =
      [this](int, const ShuffleUnit& unit) {
        num_switched_ += static_cast<int>(unit.layers.size());
        return absl::OkStatus();
      };
};

double Percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto index = static_cast<size_t>(percent / 100 * (values.size() - 1));
  return values[index];
}

struct Result {
  std::vector<double> wall_us;
  std::vector<double> switch_cpu_us;
  std::vector<double> other_cpu_us;
  std::vector<double> copy_cpu_us;
  int run_steps = 0;
  int64_t wrong = 0;
};

using MakeCommunicator =
    std::function<absl::StatusOr<std::unique_ptr<Communicator>>(int rank)>;

Result RunRanks(int num_ranks, Mode mode, const MakeCommunicator& make) {
  SystemClock clock;
  std::vector<Result> results(num_ranks);
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, r] {
      Rank rank(r, num_ranks, Value(make(r)), clock);
      Result& result = results[r];
      for (const StepTime& time : rank.Serve(mode)) {
        result.wall_us.push_back(time.wall_us);
        (time.has_switched ? result.switch_cpu_us : result.other_cpu_us)
            .push_back(time.cpu_us);
      }
      result.wrong = rank.CountWrong(mode);
      result.run_steps = rank.run_steps();
      result.copy_cpu_us = rank.CopyLayers();
    });
  }
  for (std::thread& thread : threads) thread.join();
  Result all;
  const auto append = [](const std::vector<double>& from,
                         std::vector<double>& to) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (const Result& result : results) {
    append(result.wall_us, all.wall_us);
    append(result.switch_cpu_us, all.switch_cpu_us);
    append(result.other_cpu_us, all.other_cpu_us);
    append(result.copy_cpu_us, all.copy_cpu_us);
    all.run_steps = std::max(all.run_steps, result.run_steps);
    all.wrong += result.wrong;
  }
  return all;
}

void Report(benchmark::State& state, Mode mode, const Result& result) {
  state.counters["p50_us"] = Percentile(result.wall_us, 50);
  state.counters["p99_us"] = Percentile(result.wall_us, 99);
  state.counters["longest_us"] = Percentile(result.wall_us, 100);
  state.counters["other_cpu_us"] = Percentile(result.other_cpu_us, 50);
  if (mode == Mode::kBackground) {
    const double copy = Percentile(result.copy_cpu_us, 50);
    state.counters["switch_cpu_per_copy"] =
        Percentile(result.switch_cpu_us, 50) / copy;
    state.counters["run_steps"] = result.run_steps;
  }
  state.counters["wrong"] = static_cast<double>(result.wrong);
}

void InProcess(benchmark::State& state, Mode mode) {
  constexpr int kRanks = 8;
  for (auto _ : state) {
    SystemClock clock;
    const auto group = Value(InProcessGroup::Create(kRanks, clock));
    std::vector<int> members(kRanks);
    std::iota(members.begin(), members.end(), 0);
    Report(state, mode, RunRanks(kRanks, mode, [&](int rank) {
             return group->FactoryOfRank(rank)->Connect(
                 1, members, clock.Now() + std::chrono::minutes(1));
           }));
  }
}

void Gloo(benchmark::State& state, Mode mode) {
  constexpr int kRanks = 4;
  for (auto _ : state) {
    SystemClock clock;
    const TemporaryFolder folder;
    std::vector<int> members(kRanks);
    std::iota(members.begin(), members.end(), 0);
    std::vector<std::unique_ptr<GlooCommunicatorFactory>> factories;
    for (int rank = 0; rank < kRanks; ++rank) {
      GlooJobOptions options;
      options.job_id = "async";
      options.rank = rank;
      options.num_ranks = kRanks;
      factories.push_back(Value(GlooCommunicatorFactory::Create(
          options, std::make_shared<DirectoryStore>(folder.path()), clock)));
    }
    Report(state, mode, RunRanks(kRanks, mode, [&](int rank) {
             return factories[rank]->Connect(
                 1, members, clock.Now() + std::chrono::minutes(1));
           }));
  }
}

BENCHMARK_CAPTURE(InProcess, none, Mode::kNone)->Iterations(1);
BENCHMARK_CAPTURE(InProcess, synchronous, Mode::kSynchronous)->Iterations(1);
BENCHMARK_CAPTURE(InProcess, background, Mode::kBackground)->Iterations(1);
BENCHMARK_CAPTURE(Gloo, none, Mode::kNone)->Iterations(1);
BENCHMARK_CAPTURE(Gloo, synchronous, Mode::kSynchronous)->Iterations(1);
BENCHMARK_CAPTURE(Gloo, background, Mode::kBackground)->Iterations(1);

}  // namespace
}  // namespace eplb
