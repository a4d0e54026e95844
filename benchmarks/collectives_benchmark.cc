// Latency and bandwidth of the communicators, each beside a raw yardstick that
// is measured in the same iterations: memcpy on as many threads for bandwidth,
// std::barrier for latency.
//
//   ./bazelw run --config=opt //benchmarks:collectives
//
// Counters: `ratio` is the median over iterations of the speed of the
// communicator by the speed of the yardstick (for the barrier: of the time by
// the time); `wrong` counts bytes and values that were not as expected.

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/rank_threads.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

SteadyTime Soon() { return SystemClock().Now() + std::chrono::seconds(60); }

using Decorate =
    std::function<std::unique_ptr<Communicator>(std::unique_ptr<Communicator>)>;

std::unique_ptr<Communicator> Plain(std::unique_ptr<Communicator> inner) {
  return inner;
}
std::unique_ptr<Communicator> Checked(std::unique_ptr<Communicator> inner) {
  return std::make_unique<CheckedCommunicator>(std::move(inner));
}

// The ranks of an in-process job, decorated.
class Job {
 public:
  Job(int num_ranks, const Decorate& decorate)
      : threads_(num_ranks), communicators_(num_ranks) {
    std::vector<int> members(num_ranks);
    std::iota(members.begin(), members.end(), 0);
    const auto group = InProcessGroup::Create(num_ranks, clock_);
    threads_.Run([&](int rank) {
      communicators_[rank] =
          decorate(*(*group)->FactoryOfRank(rank)->Connect(1, members, Soon()));
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

// 1 for each error, so that a failed operation shows in `wrong`.
int64_t CountError(const absl::Status& status) { return status.ok() ? 0 : 1; }

void BM_Barrier(benchmark::State& state, const Decorate& decorate) {
  constexpr int kRounds = 500;
  const int num_ranks = state.range(0);
  Job job(num_ranks, decorate);
  std::barrier<> yardstick(num_ranks);
  std::atomic<int64_t> wrong = 0;
  std::vector<double> ratios;
  double yardstick_seconds = 0;
  for (auto _ : state) {
    const double seconds = job.threads().Run([&](int rank) {
      for (int i = 0; i < kRounds; ++i) {
        wrong += CountError(job.communicator(rank).Barrier(Soon()));
      }
    });
    const double bare = job.threads().Run([&](int) {
      for (int i = 0; i < kRounds; ++i) yardstick.arrive_and_wait();
    });
    ratios.push_back(seconds / bare);
    yardstick_seconds += bare;
    state.SetIterationTime(seconds / kRounds);
  }
  state.counters["ratio"] = Median(ratios);
  state.counters["std_barrier_us"] =
      yardstick_seconds / state.iterations() / kRounds * 1e6;
  state.counters["wrong"] = static_cast<double>(wrong);
}

// Between 2 ranks, in one direction or in both, beside memcpy on as many
// threads.
void Exchange(benchmark::State& state, const Decorate& decorate,
              int num_receivers) {
  const size_t num_bytes = state.range(0);
  const int rounds = std::max<int>(1, (4 << 20) / num_bytes);
  Job job(2, decorate);
  std::vector<std::vector<uint8_t>> sent(2), received(2);
  for (int rank = 0; rank < 2; ++rank) {
    sent[rank].resize(num_bytes);
    for (size_t i = 0; i < num_bytes; ++i) sent[rank][i] = i * 7 + rank;
    received[rank].resize(num_bytes);
  }
  std::atomic<int64_t> wrong = 0;
  std::vector<double> ratios;
  double yardstick_seconds = 0;
  for (auto _ : state) {
    const double seconds = job.threads().Run([&](int rank) {
      std::vector<SendMessage> sends;
      std::vector<ReceiveMessage> receives;
      // Rank 1 receives first, rank 0 only where both do.
      if (rank == 0 || num_receivers == 2) {
        sends.push_back({1 - rank, {sent[rank].data(), num_bytes}});
      }
      if (rank == 1 || num_receivers == 2) {
        receives.push_back({1 - rank, {received[rank].data(), num_bytes}});
      }
      for (int i = 0; i < rounds; ++i) {
        wrong += CountError(
            job.communicator(rank).Exchange(sends, receives, Soon()));
      }
    });
    const double bare = job.threads().Run([&](int rank) {
      if (rank < 2 - num_receivers) return;
      for (int i = 0; i < rounds; ++i) {
        std::memcpy(received[rank].data(), sent[1 - rank].data(), num_bytes);
        benchmark::ClobberMemory();
      }
    });
    ratios.push_back(bare / seconds);
    yardstick_seconds += bare;
    state.SetIterationTime(seconds / rounds);
  }
  // Not what memcpy left there.
  for (auto& bytes : received) std::fill(bytes.begin(), bytes.end(), 0xee);
  job.threads().Run([&](int rank) {
    wrong += CountError(job.communicator(rank).Exchange(
        {SendMessage{1 - rank, {sent[rank].data(), num_bytes}}},
        {ReceiveMessage{1 - rank, {received[rank].data(), num_bytes}}},
        Soon()));
    for (size_t i = 0; i < num_bytes; ++i) {
      wrong += received[rank][i] != sent[1 - rank][i];
    }
  });
  state.SetBytesProcessed(state.iterations() * num_bytes * num_receivers);
  state.counters["ratio"] = Median(ratios);
  state.counters["memcpy_bytes_per_second"] =
      static_cast<double>(num_bytes) * rounds * num_receivers *
      state.iterations() / yardstick_seconds;
  state.counters["wrong"] = static_cast<double>(wrong);
}

void BM_ExchangeOneWay(benchmark::State& state, const Decorate& decorate) {
  Exchange(state, decorate, /*num_receivers=*/1);
}
void BM_ExchangeBothWays(benchmark::State& state, const Decorate& decorate) {
  Exchange(state, decorate, /*num_receivers=*/2);
}

void BM_AllReduceSum(benchmark::State& state, const Decorate& decorate) {
  constexpr int kRounds = 20;
  const int num_ranks = state.range(0);
  Job job(num_ranks, decorate);
  std::atomic<int64_t> wrong = 0;
  std::vector<std::vector<int64_t>> values(num_ranks);
  for (auto _ : state) {
    const double seconds = job.threads().Run([&](int rank) {
      values[rank].assign(state.range(1), 1);
      for (int i = 0; i < kRounds; ++i) {
        wrong += CountError(job.communicator(rank).AllReduceSum(
            absl::MakeSpan(values[rank]), Soon()));
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

void Register(const std::string& backend, const Decorate& decorate) {
  const auto add = [&](const std::string& name, auto function) {
    return benchmark::RegisterBenchmark(
               (backend + "/" + name).c_str(),
               [=](benchmark::State& state) { function(state, decorate); })
        ->UseManualTime()
        // Each iteration makes many operations and its time is that of one, so
        // the library cannot find out by itself how often to run.
        ->Iterations(40);
  };
  add("Barrier", BM_Barrier)->Arg(2)->Arg(8)->Arg(64);
  add("ExchangeOneWay", BM_ExchangeOneWay)
      ->Arg(64)
      ->Arg(64 << 10)
      ->Arg(1 << 20)
      ->Arg(64 << 20);
  add("ExchangeBothWays", BM_ExchangeBothWays)->Arg(64 << 20);
  // The loads of 58 layers of 256 experts.
  add("AllReduceSum", BM_AllReduceSum)->Args({8, 64})->Args({8, 58 * 256});
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  eplb::Register("in_process", eplb::Plain);
  eplb::Register("checked_in_process", eplb::Checked);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
