// What a state costs an engine: a step, a rearrangement without its transfers,
// and memory. Each with its yardstick: a bare memcpy of the bytes that a step
// must touch.
//
//   bazel run -c opt //benchmarks:state

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/model.h"
#include "kernels/cpu/cpu_device.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "testing/deterministic_random.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

namespace eplb {
namespace {

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

ModelShape ShapeOf(int layers, int experts, int slots) {
  return {.num_layers = layers,
          .num_logical_experts = experts,
          .num_redundant_experts = slots - experts,
          .num_expert_groups = 1};
}

// Rows of 8 bytes, so that moving them costs next to nothing.
class SmallWeights {
 public:
  SmallWeights(int layers, int slots) : rows_(layers * slots) {
    for (int layer = 0; layer < layers; ++layer) {
      ExpertTensor tensor;
      tensor.name = "weight";
      tensor.data = &rows_[static_cast<size_t>(layer) * slots];
      tensor.num_rows = slots;
      tensor.bytes_per_row = sizeof(uint64_t);
      tensor.stride_bytes = sizeof(uint64_t);
      tensors_.push_back({tensor});
    }
  }
  ExpertWeights Get() const { return Value(ExpertWeights::Create(tensors_)); }

 private:
  std::vector<uint64_t> rows_;
  std::vector<std::vector<ExpertTensor>> tensors_;
};

// Slots in no order, as after some rearrangements.
Placement ShuffledPlacement(const ModelShape& shape) {
  const Placement initial = Value(Placement::Initial(shape));
  std::vector<int32_t> map(initial.physical_to_logical_map().begin(),
                           initial.physical_to_logical_map().end());
  DeterministicRandom random(/*seed=*/1);
  const int slots = shape.num_physical_experts();
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    for (int slot = slots; slot > 1; --slot) {
      std::swap(map[layer * slots + slot - 1],
                map[layer * slots + random.NextBelow(slot)]);
    }
  }
  return Value(Placement::Create(shape.num_layers, shape.num_logical_experts,
                                 slots, std::move(map)));
}

ExpertLoads ZipfLoads(const ModelShape& shape, uint64_t seed) {
  TrafficGenerator traffic = Value(TrafficGenerator::Create(
      Value(ParseTrafficSpec("zipf:1.0")), shape.num_layers,
      shape.num_logical_experts, seed));
  return Value(traffic.Next(/*tokens_per_layer=*/100000));
}

// What one rank needs to have a state.
struct StateOfRank {
  StateOfRank(CommunicatorFactory& factory, const std::vector<int>& members,
              Clock& clock, const EplbConfig& config) {
    Check(RegisterBuiltinPolicies(policies));
    control = Value(
        factory.Connect(1, members, clock.Now() + std::chrono::minutes(1)));
    EplbDependencies dependencies;
    dependencies.control = control.get();
    dependencies.policies = &policies;
    dependencies.device = &device;
    dependencies.clock = &clock;
    state = Value(EplbState::Create(config, dependencies));
  }

  PolicyRegistry policies;
  CpuDevice device{{.num_threads = 1}};
  std::unique_ptr<Communicator> control;
  std::unique_ptr<EplbState> state;
};

EplbConfig QuietConfig(const ModelShape& shape) {
  EplbConfig config;
  config.num_redundant_experts = shape.num_redundant_experts;
  config.step_interval = int64_t{1} << 40;
  config.policy = "greedy";
  return config;
}

// Bytes of counters, slot numbers, a row of the ring and sums, each once.
size_t BytesOfAStep(const ModelShape& shape) {
  const size_t experts =
      static_cast<size_t>(shape.num_layers) * shape.num_logical_experts;
  const size_t slots =
      static_cast<size_t>(shape.num_layers) * shape.num_physical_experts();
  return 4 * slots + (4 + 4 + 8) * experts;
}

double SecondsOf(const auto& body, int repetitions) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repetitions; ++i) body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
             .count() /
         repetitions;
}

double MemcpySeconds(size_t num_bytes) {
  const std::vector<char> source(num_bytes, 1);
  std::vector<char> destination(num_bytes);
  double best = 1;
  for (int round = 0; round < 20; ++round) {
    best = std::min(best, SecondsOf(
                              [&] {
                                std::memcpy(destination.data(), source.data(),
                                            num_bytes);
                                benchmark::ClobberMemory();
                              },
                              100));
  }
  return best;
}

// Neither logging nor rearranging. Arguments: layers, experts, slots.
void BM_Step(benchmark::State& bench) {
  const ModelShape shape = ShapeOf(static_cast<int>(bench.range(0)),
                                   static_cast<int>(bench.range(1)),
                                   static_cast<int>(bench.range(2)));
  SystemClock clock;
  const auto group = Value(InProcessGroup::Create(1, clock));
  EplbConfig config = QuietConfig(shape);
  // Keeps the shuffled placement.
  config.min_balancedness_gain = 1;
  StateOfRank rank(*group->FactoryOfRank(0), {0}, clock, config);
  const SmallWeights weights(shape.num_layers, shape.num_physical_experts());
  const Placement placement = ShuffledPlacement(shape);
  const ExpertLoads loads = ZipfLoads(shape, 1);
  const StartingLoads start{.loads = &loads, .placement = &placement};
  Check(rank.state->AddModel("main", shape, weights.Get(), {}, &start));
  // Every row of the ring in its place.
  for (int i = 0; i < config.window_size; ++i) Check(rank.state->Step());
  double best = 1;
  for (auto _ : bench) {
    const double seconds = SecondsOf([&] { Check(rank.state->Step()); }, 1);
    bench.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  const size_t num_bytes = BytesOfAStep(shape);
  const double memcpy_seconds = MemcpySeconds(num_bytes);
  bench.counters["best_us"] = best * 1e6;
  bench.counters["memcpy_us"] = memcpy_seconds * 1e6;
  bench.counters["best_over_memcpy"] = best / memcpy_seconds;
  bench.counters["ns_per_slot"] =
      best * 1e9 / (shape.num_layers * shape.num_physical_experts());
}
BENCHMARK(BM_Step)
    ->Args({29, 256, 288})
    ->Args({58, 256, 288})
    ->Args({116, 256, 288})
    ->Args({58, 512, 576})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

double ThreadCpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + now.tv_nsec * 1e-9;
}

// CPU seconds of one rank of `num_ranks` for summing up the loads of all,
// planning, and comparing the plans. A gain that no plan promises keeps the
// weights where they are.
double CpuSecondsToPlanTogether(int num_ranks, const ModelShape& shape) {
  constexpr int kRounds = 20;
  SystemClock clock;
  const auto group = Value(InProcessGroup::Create(num_ranks, clock));
  std::vector<int> members(num_ranks);
  std::iota(members.begin(), members.end(), 0);
  std::vector<double> seconds(num_ranks);
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, r] {
      EplbConfig config = QuietConfig(shape);
      config.min_balancedness_gain = 1;
      config.window_size = 1;
      StateOfRank rank(*group->FactoryOfRank(r), members, clock, config);
      const SmallWeights weights(shape.num_layers,
                                 shape.num_physical_experts() / num_ranks);
      Check(rank.state->AddModel(
          "main", shape, weights.Get(),
          {.counted_experts = CountedExperts::kLogicalExperts}));
      const ExpertLoads loads = ZipfLoads(shape, 1);
      for (int layer = 0; layer < shape.num_layers; ++layer) {
        std::copy(loads.layer(layer).begin(), loads.layer(layer).end(),
                  rank.state->layer_view(0, layer).pass_counts);
      }
      Check(rank.state->Step());
      const double begin = ThreadCpuSeconds();
      for (int round = 0; round < kRounds; ++round) {
        Check(rank.state->Rearrange().status());
      }
      seconds[r] = (ThreadCpuSeconds() - begin) / kRounds;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / num_ranks;
}

// CPU seconds of one rank to plan its transfers and to publish every layer.
double CpuSecondsToPublish(int num_ranks, const ModelShape& shape) {
  constexpr int kRounds = 20;
  SystemClock clock;
  CpuDevice device({.num_threads = 1});
  const auto stream = Value(device.CreateStream());
  const EplbConfig config = QuietConfig(shape);
  const SmallWeights weights(shape.num_layers,
                             shape.num_physical_experts() / num_ranks);
  const Placement initial = Value(Placement::Initial(shape));
  const auto model =
      Value(Model::Create("main", shape, weights.Get(), {}, initial, 0,
                          {.config = &config,
                           .device = &device,
                           .clock = &clock,
                           .stream = stream.get()}));
  PolicyRegistry policies;
  Check(RegisterBuiltinPolicies(policies));
  const Topology topology = Value(Topology::Uniform(num_ranks));
  const ExpertLoads loads = ZipfLoads(shape, 1);
  PlacementRequest request;
  request.shape = shape;
  request.loads = &loads;
  request.topology = &topology;
  request.current = &initial;
  const PlacementResult next =
      Value(Value(policies.Find("greedy"))->Place(request));
  const double begin = ThreadCpuSeconds();
  for (int round = 0; round < kRounds; ++round) {
    const ShuffleUnits units =
        Value(model->shuffler().Plan(next.placement, topology, /*rank=*/0));
    for (const auto& unit : units) {
      Check(model->Publish(*unit, *stream,
                           clock.Now() + std::chrono::minutes(1)));
    }
    Check(model->FinishRearrangement());
  }
  return (ThreadCpuSeconds() - begin) / kRounds;
}

void BM_RearrangementWithoutTransfers(benchmark::State& bench) {
  const int num_ranks = static_cast<int>(bench.range(0));
  const ModelShape shape = ShapeOf(58, 256, 288);
  for (auto _ : bench) {
    const double together = CpuSecondsToPlanTogether(num_ranks, shape);
    const double publish = CpuSecondsToPublish(num_ranks, shape);
    bench.SetIterationTime(together + publish);
    bench.counters["sum_plan_compare_ms"] = together * 1e3;
    bench.counters["transfers_publish_ms"] = publish * 1e3;
    bench.counters["cpu_ms_per_rank"] = (together + publish) * 1e3;
  }
}
BENCHMARK(BM_RearrangementWithoutTransfers)
    ->Arg(8)
    ->Arg(32)
    ->Iterations(3)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

size_t AllocatedBytes() {
  const struct mallinfo2 facts = mallinfo2();
  return facts.uordblks + facts.hblkhd;
}

// What a state holds besides its window: with a window of one step, less that.
void BM_MemoryOfAState(benchmark::State& bench) {
  const ModelShape shape = ShapeOf(58, 256, 288);
  for (auto _ : bench) {
    SystemClock clock;
    const auto group = Value(InProcessGroup::Create(1, clock));
    EplbConfig config = QuietConfig(shape);
    config.window_size = 1;
    const SmallWeights weights(shape.num_layers, shape.num_physical_experts());
    const size_t before = AllocatedBytes();
    StateOfRank rank(*group->FactoryOfRank(0), {0}, clock, config);
    Check(rank.state->AddModel("main", shape, weights.Get()));
    Check(rank.state->Rearrange().status());
    const size_t window = static_cast<size_t>(shape.num_layers) *
                          shape.num_logical_experts *
                          (sizeof(int32_t) + sizeof(int64_t));
    bench.counters["MB"] =
        static_cast<double>(AllocatedBytes() - before - window) / 1e6;
  }
}
BENCHMARK(BM_MemoryOfAState)->Iterations(1);

}  // namespace
}  // namespace eplb

BENCHMARK_MAIN();
