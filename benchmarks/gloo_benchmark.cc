// Bandwidth and latency of the gloo communicator between two ranks, beside a
// bare Gloo send and receive in the same iterations.
//
//   ./bazelw run --config=opt //benchmarks:gloo
//
// Counters: `ratio` is the median over iterations of the speed of the
// communicator by the speed of the yardstick; `wrong` counts errors, and bytes
// that were not as expected.

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "gloo/transport/context.h"
#include "gloo/transport/device.h"
#include "gloo/transport/pair.h"
#include "gloo/transport/tcp/device.h"
#include "gloo/transport/unbound_buffer.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

constexpr int kRanks = 2;

SteadyTime Soon() { return SystemClock().Now() + std::chrono::seconds(60); }

// A thread for each rank, for one task.
double RunRanks(const std::function<void(int rank)>& task) {
  std::barrier<> begin(kRanks);
  SteadyTime start;
  std::thread other([&] {
    begin.arrive_and_wait();
    task(1);
  });
  begin.arrive_and_wait();
  start = SystemClock().Now();
  task(0);
  other.join();
  return std::chrono::duration<double>(SystemClock().Now() - start).count();
}

// Gloo as it comes: a pair of ranks, and one message after the other.
class BareGloo {
 public:
  BareGloo() {
    std::vector<std::vector<char>> addresses(kRanks);
    for (int rank = 0; rank < kRanks; ++rank) {
      devices_.push_back(gloo::transport::tcp::CreateDevice("127.0.0.1"));
      contexts_.push_back(devices_[rank]->createContext(rank, kRanks));
      contexts_[rank]->setTimeout(std::chrono::seconds(60));
      addresses[rank] =
          contexts_[rank]->createPair(1 - rank)->address().bytes();
    }
    RunRanks([&](int rank) {
      contexts_[rank]->getPair(1 - rank)->connect(addresses[1 - rank]);
    });
  }

  void Send(int rank, std::vector<uint8_t>& bytes) {
    const auto buffer =
        contexts_[rank]->createUnboundBuffer(bytes.data(), bytes.size());
    buffer->send(1 - rank, /*slot=*/0);
    buffer->waitSend();
  }
  void Receive(int rank, std::vector<uint8_t>& bytes) {
    const auto buffer =
        contexts_[rank]->createUnboundBuffer(bytes.data(), bytes.size());
    buffer->recv(1 - rank, /*slot=*/0);
    buffer->waitRecv();
  }

 private:
  std::vector<std::shared_ptr<gloo::transport::Device>> devices_;
  std::vector<std::shared_ptr<gloo::transport::Context>> contexts_;
};

class Job {
 public:
  explicit Job(bool is_checked) {
    for (int rank = 0; rank < kRanks; ++rank) {
      GlooJobOptions options;
      options.job_id = "benchmark";
      options.rank = rank;
      options.num_ranks = kRanks;
      factories_.push_back(*GlooCommunicatorFactory::Create(
          options, std::make_shared<DirectoryStore>(folder_.path()), clock_));
    }
    communicators_.resize(kRanks);
    RunRanks([&](int rank) {
      auto communicator = *factories_[rank]->Connect(1, {0, 1}, Soon());
      if (is_checked) {
        communicator =
            std::make_unique<CheckedCommunicator>(std::move(communicator));
      }
      communicators_[rank] = std::move(communicator);
    });
  }

  Communicator& communicator(int rank) { return *communicators_[rank]; }

 private:
  SystemClock clock_;
  TemporaryFolder folder_;
  std::vector<std::unique_ptr<GlooCommunicatorFactory>> factories_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void BM_ExchangeOneWay(benchmark::State& state, bool is_checked) {
  const size_t num_bytes = state.range(0);
  const int rounds =
      static_cast<int>(std::clamp<size_t>((4 << 20) / num_bytes, 4, 32));
  Job job(is_checked);
  BareGloo bare;
  std::vector<uint8_t> sent(num_bytes), received(num_bytes);
  for (size_t i = 0; i < num_bytes; ++i) sent[i] = i * 7 + (i >> 12);
  std::atomic<int64_t> wrong = 0;
  std::vector<double> ratios;
  double bare_seconds = 0;
  for (auto _ : state) {
    std::fill(received.begin(), received.end(), 0xee);
    const double seconds = RunRanks([&](int rank) {
      std::vector<SendMessage> sends;
      std::vector<ReceiveMessage> receives;
      if (rank == 0) sends.push_back({1, {sent.data(), num_bytes}});
      if (rank == 1) receives.push_back({0, {received.data(), num_bytes}});
      for (int i = 0; i < rounds; ++i) {
        wrong += !job.communicator(rank).Exchange(sends, receives, Soon()).ok();
      }
    });
    wrong += received != sent;
    const double yardstick = RunRanks([&](int rank) {
      for (int i = 0; i < rounds; ++i) {
        if (rank == 0) bare.Send(0, sent);
        if (rank == 1) bare.Receive(1, received);
      }
    });
    ratios.push_back(yardstick / seconds);
    bare_seconds += yardstick;
    state.SetIterationTime(seconds / rounds);
  }
  state.SetBytesProcessed(state.iterations() * num_bytes);
  state.counters["ratio"] = Median(ratios);
  state.counters["gloo_bytes_per_second"] = static_cast<double>(num_bytes) *
                                            rounds * state.iterations() /
                                            bare_seconds;
  state.counters["wrong"] = static_cast<double>(wrong);
}

void BM_Barrier(benchmark::State& state, bool is_checked) {
  constexpr int kRounds = 20;
  Job job(is_checked);
  std::atomic<int64_t> wrong = 0;
  for (auto _ : state) {
    const double seconds = RunRanks([&](int rank) {
      for (int i = 0; i < kRounds; ++i) {
        wrong += !job.communicator(rank).Barrier(Soon()).ok();
      }
    });
    state.SetIterationTime(seconds / kRounds);
  }
  state.counters["wrong"] = static_cast<double>(wrong);
}

void Register(const std::string& backend, bool is_checked) {
  benchmark::RegisterBenchmark(
      (backend + "/Barrier").c_str(),
      [=](benchmark::State& state) { BM_Barrier(state, is_checked); })
      ->UseManualTime();
  benchmark::RegisterBenchmark(
      (backend + "/ExchangeOneWay").c_str(),
      [=](benchmark::State& state) { BM_ExchangeOneWay(state, is_checked); })
      ->UseManualTime()
      ->Arg(64)
      ->Arg(64 << 10)
      ->Arg(1 << 20)
      ->Arg(64 << 20);
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  eplb::Register("gloo", /*is_checked=*/false);
  eplb::Register("checked_gloo", /*is_checked=*/true);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
