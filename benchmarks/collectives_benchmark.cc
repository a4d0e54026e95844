// Latency and bandwidth of the communicators, each beside raw yardsticks that
// are measured in the same iterations.
//
//   ./bazelw run --config=opt //benchmarks:collectives
//
// With `-- --benchmark_filter=^gloo --benchmark_format=json` of one backend and
// as JSON.
//
// Counters: `per_YARDSTICK` is the median over iterations of the speed of the
// communicator by that of the yardstick (for the barrier: of the time by the
// time), `YARDSTICK_us` and `YARDSTICK_bytes_per_second` are the yardstick's
// own; `wrong` counts errors, and bytes and values that were not as expected.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/collectives_backends.h"
#include "benchmarks/collectives_yardsticks.h"
#include "benchmarks/rank_threads.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

SteadyTime Soon() { return SystemClock().Now() + std::chrono::seconds(60); }

// The ranks of a job, as threads.
class Job {
 public:
  Job(const CollectivesBackend& backend, int num_ranks)
      : threads_(num_ranks), communicators_(num_ranks) {
    std::vector<int> members(num_ranks);
    std::iota(members.begin(), members.end(), 0);
    const auto factories = backend.make_factories(num_ranks, clock_);
    threads_.Run([&](int rank) {
      communicators_[rank] = *factories[rank]->Connect(1, members, Soon());
      if (!backend.is_checked) return;
      communicators_[rank] = std::make_unique<CheckedCommunicator>(
          std::move(communicators_[rank]));
    });
  }

  RankThreads& threads() { return threads_; }
  Communicator& communicator(int rank) { return *communicators_[rank]; }

 private:
  SystemClock clock_;
  RankThreads threads_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Of one yardstick, over the iterations.
struct Comparison {
  std::vector<double> ratios;
  double seconds = 0;
};

void BM_Barrier(benchmark::State& state, const CollectivesBackend& backend) {
  const int num_ranks = state.range(0);
  const int rounds = std::min<size_t>(500, backend.max_rounds);
  Job job(backend, num_ranks);
  const auto yardsticks = backend.barrier_yardsticks(num_ranks);
  std::vector<Comparison> comparisons(yardsticks.size());
  std::atomic<int64_t> wrong = 0;
  for (auto _ : state) {
    const double seconds = job.threads().Run([&](int rank) {
      for (int i = 0; i < rounds; ++i) {
        wrong += !job.communicator(rank).Barrier(Soon()).ok();
      }
    });
    for (size_t i = 0; i < yardsticks.size(); ++i) {
      const double bare = job.threads().Run([&](int rank) {
        for (int k = 0; k < rounds; ++k) yardsticks[i].run(rank);
      });
      comparisons[i].ratios.push_back(seconds / bare);
      comparisons[i].seconds += bare;
    }
    state.SetIterationTime(seconds / rounds);
  }
  for (size_t i = 0; i < yardsticks.size(); ++i) {
    state.counters["per_" + yardsticks[i].name] = Median(comparisons[i].ratios);
    state.counters[yardsticks[i].name + "_us"] =
        comparisons[i].seconds / state.iterations() / rounds * 1e6;
  }
  state.counters["wrong"] = static_cast<double>(wrong);
}

absl::Status ExchangeOnce(Communicator& communicator,
                          TwoRankTransfer& transfer) {
  const int rank = communicator.rank();
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  if (transfer.Sends(rank)) {
    sends.push_back(
        {1 - rank, {transfer.sent[rank].data(), transfer.sent[rank].size()}});
  }
  if (transfer.Receives(rank)) {
    receives.push_back(
        {1 - rank,
         {transfer.received[rank].data(), transfer.received[rank].size()}});
  }
  return communicator.Exchange(sends, receives, Soon());
}

// Between 2 ranks, in one direction or in both.
void BM_Exchange(benchmark::State& state, const CollectivesBackend& backend,
                 bool both_ways) {
  const size_t num_bytes = state.range(0);
  const int rounds =
      std::clamp<size_t>((4 << 20) / num_bytes, 1, backend.max_rounds);
  Job job(backend, 2);
  const auto yardsticks = backend.transfer_yardsticks(both_ways);
  std::vector<Comparison> comparisons(yardsticks.size());
  TwoRankTransfer transfer(num_bytes, both_ways);
  std::atomic<int64_t> wrong = 0;
  for (auto _ : state) {
    // Not what a yardstick left there.
    for (auto& bytes : transfer.received) {
      std::fill(bytes.begin(), bytes.end(), 0xee);
    }
    const double seconds = job.threads().Run([&](int rank) {
      for (int i = 0; i < rounds; ++i) {
        wrong += !ExchangeOnce(job.communicator(rank), transfer).ok();
      }
    });
    wrong += transfer.received[1] != transfer.sent[0];
    wrong += transfer.received[0] != transfer.sent[1];
    for (size_t i = 0; i < yardsticks.size(); ++i) {
      const double bare = job.threads().Run([&](int rank) {
        for (int k = 0; k < rounds; ++k) yardsticks[i].run(transfer, rank);
      });
      comparisons[i].ratios.push_back(bare / seconds);
      comparisons[i].seconds += bare;
    }
    state.SetIterationTime(seconds / rounds);
  }
  const double moved =
      static_cast<double>(num_bytes) * (both_ways ? 2 : 1) * state.iterations();
  state.SetBytesProcessed(static_cast<int64_t>(moved));
  for (size_t i = 0; i < yardsticks.size(); ++i) {
    state.counters["per_" + yardsticks[i].name] = Median(comparisons[i].ratios);
    state.counters[yardsticks[i].name + "_bytes_per_second"] =
        moved * rounds / comparisons[i].seconds;
  }
  state.counters["wrong"] = static_cast<double>(wrong);
}

void BM_AllReduceSum(benchmark::State& state,
                     const CollectivesBackend& backend) {
  constexpr int kRounds = 20;
  const int num_ranks = state.range(0);
  Job job(backend, num_ranks);
  std::atomic<int64_t> wrong = 0;
  std::vector<std::vector<int64_t>> values(num_ranks);
  for (auto _ : state) {
    const double seconds = job.threads().Run([&](int rank) {
      values[rank].assign(state.range(1), 1);
      for (int i = 0; i < kRounds; ++i) {
        wrong += !job.communicator(rank)
                      .AllReduceSum(absl::MakeSpan(values[rank]), Soon())
                      .ok();
      }
    });
    state.SetIterationTime(seconds / kRounds);
  }
  uint64_t expected = 1;
  for (int i = 0; i < kRounds; ++i) expected *= num_ranks;
  for (const auto& of_rank : values) {
    wrong += std::count_if(of_rank.begin(), of_rank.end(), [&](int64_t value) {
      return static_cast<uint64_t>(value) != expected;
    });
  }
  state.SetBytesProcessed(state.iterations() * state.range(1) * 8 * num_ranks);
  state.counters["wrong"] = static_cast<double>(wrong);
}

void Register(const CollectivesBackend& backend) {
  const auto add = [&](const std::string& name, auto function) {
    return benchmark::RegisterBenchmark(
               (backend.name + "/" + name).c_str(),
               [=](benchmark::State& state) { function(state, backend); })
        ->UseManualTime()
        // Each iteration makes many operations and its time is that of one, so
        // the library cannot find out by itself how often to run.
        ->Iterations(40);
  };
  auto* const barrier = add("Barrier", BM_Barrier);
  for (const int num_ranks : backend.barrier_ranks) barrier->Arg(num_ranks);
  add("ExchangeOneWay",
      [](auto& state, const CollectivesBackend& b) {
        BM_Exchange(state, b, false);
      })
      ->Arg(64)
      ->Arg(64 << 10)
      ->Arg(1 << 20)
      ->Arg(64 << 20);
  add("ExchangeBothWays", [](auto& state, const CollectivesBackend& b) {
    BM_Exchange(state, b, true);
  })->Arg(64 << 20);
  // The loads of 58 layers of 256 experts.
  add("AllReduceSum", BM_AllReduceSum)->Args({8, 64})->Args({8, 58 * 256});
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  for (const eplb::CollectivesBackend& backend :
       {eplb::InProcessBackend(), eplb::GlooBackend()}) {
    eplb::Register(backend);
    eplb::Register(eplb::CheckedBackend(backend));
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
