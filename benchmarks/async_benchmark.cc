// What rearranging costs the serving thread: nothing moved, everything moved in
// one step, everything moved in the background. Ranks, threads in one process
// or processes over Gloo, serve in steps of 10 ms; every slot of every layer
// gets another expert.
//
//   bazel run -c opt //benchmarks:async

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "benchmark/benchmark.h"
#include "benchmarks/async_rank.h"
#include "collectives/gloo.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "testing/rank_process.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

double Percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto index = static_cast<size_t>(percent / 100 * (values.size() - 1));
  return values[index];
}

void Report(benchmark::State& state, AsyncMode mode, const AsyncTimes& times) {
  state.counters["p50_us"] = Percentile(times.wall, 50);
  state.counters["p99_us"] = Percentile(times.wall, 99);
  state.counters["longest_us"] = Percentile(times.wall, 100);
  state.counters["other_cpu_us"] = Percentile(times.other, 50);
  if (mode == AsyncMode::kBackground) {
    std::vector<double> overhead;
    std::vector<double> per_copy;
    for (size_t i = 0; i < times.switching.size(); ++i) {
      overhead.push_back(times.switching[i] - times.copying[i]);
      per_copy.push_back(times.switching[i] / times.copying[i]);
    }
    state.counters["switch_us"] = Percentile(times.switching, 50);
    state.counters["copy_us"] = Percentile(times.copying, 50);
    state.counters["copy_alone_us"] = Percentile(times.copying_alone, 50);
    state.counters["overhead_us"] = Percentile(overhead, 50);
    state.counters["switch_per_copy"] = Percentile(per_copy, 50);
    state.counters["run_steps"] = times.run_steps;
  }
  state.counters["wrong"] = static_cast<double>(times.wrong);
}

void Gloo(benchmark::State& state, AsyncMode mode) {
  constexpr int kRanks = 4;
  for (auto _ : state) {
    const TemporaryFolder folder;
    std::vector<std::unique_ptr<RankProcess>> ranks;
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks.push_back(std::make_unique<RankProcess>([&](ParentLink& parent) {
        SystemClock clock;
        GlooJobOptions options;
        options.job_id = "async";
        options.rank = rank;
        options.num_ranks = kRanks;
        auto factory = GlooCommunicatorFactory::Create(
            options, std::make_shared<DirectoryStore>(folder.path()), clock);
        if (!factory.ok()) {
          std::cerr << factory.status() << std::endl;
          std::abort();
        }
        AsyncRank async_rank(**factory, rank, kRanks, mode);
        parent.Say(async_rank.Serve().Serialize());
        parent.WaitForGo();
      }));
    }
    AsyncTimes all;
    for (const auto& rank : ranks) all.Add(AsyncTimes::Parse(rank->Hear()));
    Report(state, mode, all);
  }
}

void InProcess(benchmark::State& state, AsyncMode mode) {
  constexpr int kRanks = 8;
  for (auto _ : state) {
    SystemClock clock;
    const auto group = InProcessGroup::Create(kRanks, clock);
    std::vector<AsyncTimes> times(kRanks);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto factory = (*group)->FactoryOfRank(rank);
        times[rank] = AsyncRank(*factory, rank, kRanks, mode).Serve();
      });
    }
    for (std::thread& thread : threads) thread.join();
    AsyncTimes all;
    for (const AsyncTimes& rank : times) all.Add(rank);
    Report(state, mode, all);
  }
}

// Processes first: a fork has no threads beside it.
BENCHMARK_CAPTURE(Gloo, none, AsyncMode::kNone)->Iterations(1);
BENCHMARK_CAPTURE(Gloo, synchronous, AsyncMode::kSynchronous)->Iterations(1);
BENCHMARK_CAPTURE(Gloo, background, AsyncMode::kBackground)->Iterations(1);
BENCHMARK_CAPTURE(InProcess, none, AsyncMode::kNone)->Iterations(1);
BENCHMARK_CAPTURE(InProcess, synchronous, AsyncMode::kSynchronous)
    ->Iterations(1);
BENCHMARK_CAPTURE(InProcess, background, AsyncMode::kBackground)->Iterations(1);

}  // namespace
}  // namespace eplb
