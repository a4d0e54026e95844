// Planning and doing a shuffle of expert weights.
//
//   ./bazelw run --config=opt //benchmarks:shuffle
//
// TransferPlan: one rank's part of a full rebuild, all layers, as traffic
// drifts and between loads that have nothing to do with each other.
// `busiest_over_mean` is what the busiest rank sends by the mean of all;
// `forced_over_mean` what the rank with most experts that no other could send
// sends of these, below which no plan gets.
//
// Shuffle: 8 ranks as threads, rows like DeepSeek-R1's scaled down. `ratio` is
// the median of the wall time by what copying the same bytes, received and
// switched, takes with plain memcpy on all cores, measured beside it;
// `over_transport` by what the transport alone takes for the bytes received;
// `wrong` counts rows without the bytes of their expert, and errors.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/placement_workload.h"
#include "benchmarks/rank_threads.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/transfer_plan.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "policies/greedy.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr size_t kMiB = 1 << 20;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Two placements that consecutive loads of one traffic led to.
struct Rebuild {
  Rebuild(const WorkloadShape& shape, absl::string_view traffic)
      : workload(Synthetic(shape, traffic, 2)),
        before(workload.FirstPlacement()),
        after(GreedyPolicy()
                  .Place({.shape = workload.shape(),
                          .loads = &workload.steps()[0],
                          .topology = &workload.topology()})
                  ->placement) {}

  PlacementWorkload workload;
  Placement before;
  Placement after;
};

// The only rank that can send the expert to `rank`, or -1 where there are
// several.
int OnlySender(const Placement& before, const Topology& topology, int layer,
               int rank, int expert) {
  const int slots_per_rank = before.num_slots() / topology.num_ranks();
  std::set<int> near, all;
  for (const int32_t slot : before.slots_of_expert(layer, expert)) {
    const int holder = slot / slots_per_rank;
    all.insert(holder);
    if (topology.node_of_rank(holder) == topology.node_of_rank(rank)) {
      near.insert(holder);
    }
  }
  const std::set<int>& senders = near.empty() ? all : near;
  return senders.size() == 1 ? *senders.begin() : -1;
}

void BM_TransferPlan(benchmark::State& state, const char* traffic) {
  constexpr int kRanks = 32;
  constexpr int kLayers = 58;
  const Rebuild rebuild({.name = "DeepSeek-R1",
                         .num_layers = kLayers,
                         .num_logical_experts = 256,
                         .num_slots = 288,
                         .num_ranks = kRanks},
                        traffic);
  const Topology topology = *Topology::Uniform(kRanks, state.range(0));
  int64_t wrong = 0;
  for (auto _ : state) {
    const auto plan = TransferPlan::Create(rebuild.before, rebuild.after,
                                           topology, /*rank=*/7);
    wrong += !plan.ok();
    benchmark::DoNotOptimize(plan);
  }
  int64_t sends = 0, receives = 0, most = 0;
  std::vector<int64_t> forced_sends(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    const TransferPlan plan =
        *TransferPlan::Create(rebuild.before, rebuild.after, topology, rank);
    int64_t sends_of_rank = 0;
    for (int layer = 0; layer < kLayers; ++layer) {
      const LayerTransfers part = plan.transfers(layer);
      sends_of_rank += part.sends.size();
      receives += part.receives.size();
      for (const SlotReceive& receive : part.receives) {
        const int sender =
            OnlySender(rebuild.before, topology, layer, rank, receive.expert);
        if (sender >= 0) ++forced_sends[sender];
      }
    }
    sends += sends_of_rank;
    most = std::max(most, sends_of_rank);
  }
  wrong += sends != receives;
  const double mean = static_cast<double>(sends) / kRanks;
  state.counters["experts_moved"] = static_cast<double>(receives);
  state.counters["busiest_over_mean"] = most / mean;
  state.counters["forced_over_mean"] =
      *std::max_element(forced_sends.begin(), forced_sends.end()) / mean;
  state.counters["wrong"] = static_cast<double>(wrong);
}

// A rank with weights of 3 MiB per expert: R1's proportions.
class BenchmarkRank {
 public:
  static constexpr int kTensors = 4;
  static constexpr size_t kRowBytes[kTensors] = {2 * kMiB, kMiB, 2048, 1024};
  static constexpr size_t kExpertBytes = 3 * kMiB + 3072;

  BenchmarkRank(int rank, int num_ranks, const Placement& placement,
                Clock& clock)
      : rank_(rank), slots_(placement.num_slots() / num_ranks) {
    std::vector<std::vector<ExpertTensor>> layers(placement.num_layers());
    memory_ = *device_.Allocate(layers.size() * slots_ * kExpertBytes,
                                MemorySpace::kHost);
    std::byte* next = memory_.data();
    for (std::vector<ExpertTensor>& layer : layers) {
      for (int tensor = 0; tensor < kTensors; ++tensor) {
        layer.push_back(
            {.name = std::string(1, static_cast<char>('a' + tensor)),
             .data = next,
             .num_rows = slots_,
             .bytes_per_row = kRowBytes[tensor],
             .stride_bytes = kRowBytes[tensor]});
        next += kRowBytes[tensor] * slots_;
      }
    }
    shuffler_ = *WeightShuffler::Create(*ExpertWeights::Create(layers),
                                        placement, device_, clock, {});
    stream_ = *device_.CreateStream();
    ForEachRow(placement,
               [](const WeightRow& row, absl::Span<std::byte> bytes) {
                 FillRow(row, bytes);
                 return true;
               });
  }

  WeightShuffler& shuffler() { return *shuffler_; }
  Stream& stream() { return *stream_; }

  int64_t CountWrong(const Placement& placement) {
    int64_t wrong = 0;
    ForEachRow(placement,
               [&](const WeightRow& row, absl::Span<std::byte> bytes) {
                 wrong += !HoldsRow(row, bytes);
                 return true;
               });
    return wrong;
  }

 private:
  template <typename Use>
  void ForEachRow(const Placement& placement, Use use) {
    const ExpertWeights& weights = shuffler_->weights();
    for (int layer = 0; layer < weights.num_layers(); ++layer) {
      for (int slot = 0; slot < slots_; ++slot) {
        const int expert =
            placement.expert_of_slot(layer, rank_ * slots_ + slot);
        for (int tensor = 0; tensor < kTensors; ++tensor) {
          use({layer, expert, tensor},
              absl::MakeSpan(weights.row(layer, tensor, slot),
                             kRowBytes[tensor]));
        }
      }
    }
  }

  const int rank_;
  const int slots_;
  CpuDevice device_{{.num_threads = 1}};
  DeviceBuffer memory_;
  std::unique_ptr<WeightShuffler> shuffler_;
  std::unique_ptr<Stream> stream_;
};

// Plain memcpy on all cores, from and to memory that no cache holds.
class MemcpyYardstick {
 public:
  MemcpyYardstick() : threads_(std::thread::hardware_concurrency()) {
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
      from_.emplace_back(kBytes, static_cast<char>(i));
      to_.emplace_back(kBytes);
    }
  }

  // Bytes per second, of all cores together.
  double Measure() {
    const double seconds = threads_.Run([&](int i) {
      std::memcpy(to_[i].data(), from_[i].data(), kBytes);
      benchmark::ClobberMemory();
    });
    return kBytes * from_.size() / seconds;
  }

 private:
  static constexpr size_t kBytes = 128 * kMiB;

  RankThreads threads_;
  std::vector<std::vector<char>> from_;
  std::vector<std::vector<char>> to_;
};

class ShuffleBenchmark {
 public:
  ShuffleBenchmark()
      : rebuild_({.name = "R1-like",
                  .num_layers = 3,
                  .num_logical_experts = 64,
                  .num_slots = 72,
                  .num_ranks = kRanks},
                 "zipf:1.0,drift=0"),
        topology_(*Topology::Uniform(kRanks)),
        ranks_(kRanks),
        channels_(kRanks) {
    const auto control = InProcessGroup::Create(kRanks, clock_);
    const auto data = InProcessGroup::Create(kRanks, clock_);
    std::vector<int> members(kRanks);
    std::iota(members.begin(), members.end(), 0);
    threads_.Run([&](int rank) {
      ranks_[rank] = std::make_unique<BenchmarkRank>(rank, kRanks,
                                                     rebuild_.before, clock_);
      channels_[rank].control = std::make_shared<CheckedCommunicator>(
          *(*control)->FactoryOfRank(rank)->Connect(1, members, Soon()));
      channels_[rank].data =
          *(*data)->FactoryOfRank(rank)->Connect(1, members, Soon());
      Count(ranks_[rank]->shuffler().Profile(channels_[rank]));
    });
  }

  // The next shuffle, there or back. Returns the seconds it took.
  double Shuffle() {
    const Placement& next = is_there_ ? rebuild_.before : rebuild_.after;
    is_there_ = !is_there_;
    std::vector<ShuffleUnits> units(kRanks);
    received_ = switched_ = 0;
    for (int rank = 0; rank < kRanks; ++rank) {
      units[rank] = *ranks_[rank]->shuffler().Plan(next, topology_, rank);
      for (const auto& unit : units[rank]) {
        received_ += unit->bytes_received;
        switched_ += unit->bytes_switched;
      }
    }
    return threads_.Run([&](int rank) {
      Count(ShuffleNow(ranks_[rank]->shuffler(), units[rank], 1,
                       channels_[rank], ranks_[rank]->stream(),
                       [](const ShuffleUnit&) { return absl::OkStatus(); })
                .status);
    });
  }

  // Bytes per second of exchanges alone: each rank sends its live rows of one
  // layer to its neighbour.
  double TransportBandwidth() {
    std::vector<std::vector<std::byte>> to(kRanks);
    for (auto& bytes : to) bytes.resize(9 * 2 * kMiB);
    const auto exchange = [&](int rank) {
      std::vector<SendMessage> sends;
      std::vector<ReceiveMessage> receives;
      for (int slot = 0; slot < 9; ++slot) {
        sends.push_back(
            {(rank + 1) % kRanks,
             {ranks_[rank]->shuffler().weights().row(0, 0, slot), 2 * kMiB}});
        receives.push_back({(rank + kRanks - 1) % kRanks,
                            {&to[rank][slot * 2 * kMiB], 2 * kMiB}});
      }
      Count(channels_[rank].data->Exchange(sends, receives, Soon()));
    };
    threads_.Run(exchange);  // Touches the memory.
    return kRanks * 9 * 2 * kMiB / threads_.Run(exchange);
  }

  int64_t CountWrong() {
    const Placement& now = is_there_ ? rebuild_.after : rebuild_.before;
    threads_.Run([&](int rank) { wrong_ += ranks_[rank]->CountWrong(now); });
    return wrong_;
  }

  double received() const { return received_; }
  double switched() const { return switched_; }

 private:
  static constexpr int kRanks = 8;

  SteadyTime Soon() const { return clock_.Now() + std::chrono::seconds(60); }
  void Count(const absl::Status& status) { wrong_ += !status.ok(); }

  SystemClock clock_;
  Rebuild rebuild_;
  const Topology topology_;
  RankThreads threads_{kRanks};
  std::vector<std::unique_ptr<BenchmarkRank>> ranks_;
  std::vector<ShuffleChannels> channels_;
  bool is_there_ = false;
  double received_ = 0;
  double switched_ = 0;
  std::atomic<int64_t> wrong_ = 0;
};

void BM_Shuffle(benchmark::State& state) {
  ShuffleBenchmark shuffle;
  MemcpyYardstick memcpy_on_all_cores;
  memcpy_on_all_cores.Measure();  // Touches the memory.
  std::vector<double> ratios, transport_ratios, bandwidths;
  for (auto _ : state) {
    const double seconds = shuffle.Shuffle();
    bandwidths.push_back(memcpy_on_all_cores.Measure());
    ratios.push_back(seconds * bandwidths.back() /
                     (shuffle.received() + shuffle.switched()));
    transport_ratios.push_back(seconds * shuffle.TransportBandwidth() /
                               shuffle.received());
    state.SetIterationTime(seconds);
  }
  state.counters["ratio"] = Median(ratios);
  state.counters["over_transport"] = Median(transport_ratios);
  state.counters["memcpy_GBps"] = Median(bandwidths) / 1e9;
  state.counters["received_MB"] = shuffle.received() / 1e6;
  state.counters["switched_MB"] = shuffle.switched() / 1e6;
  state.counters["wrong"] = static_cast<double>(shuffle.CountWrong());
}

BENCHMARK_CAPTURE(BM_TransferPlan, zipf, "zipf:1.0,drift=0.99")
    ->Name("TransferPlan/zipf")
    ->ArgName("nodes")
    ->Arg(1)
    ->Arg(4)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_TransferPlan, lognormal, "lognormal:1.2,drift=0.99")
    ->Name("TransferPlan/lognormal")
    ->ArgName("nodes")
    ->Arg(1)
    ->Arg(4)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_TransferPlan, unrelated, "zipf:1.0,drift=0")
    ->Name("TransferPlan/unrelated")
    ->ArgName("nodes")
    ->Arg(1)
    ->Arg(4)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Shuffle)
    ->Name("Shuffle/in_process/ranks:8")
    ->UseManualTime()
    ->Iterations(15)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace eplb

BENCHMARK_MAIN();
