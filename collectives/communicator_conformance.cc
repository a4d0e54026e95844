#include "collectives/communicator_conformance.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/conformance_memory.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gtest/gtest.h"
#include "testing/at_once.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

// Tests skipped, by backend and reason.
std::map<std::string, int>& Skips() {
  static auto& skips = *new std::map<std::string, int>();
  return skips;
}

absl::Status SumOf(Communicator& communicator, size_t count,
                   SteadyTime deadline) {
  std::vector<int64_t> values(count, 1);
  return communicator.AllReduceSum(absl::MakeSpan(values), deadline);
}

absl::Status GatherOf(const ConformanceMemory& memory,
                      Communicator& communicator, size_t num_bytes,
                      SteadyTime deadline) {
  const ConformanceBytes mine(memory, num_bytes);
  const ConformanceBytes all(memory, num_bytes * communicator.size());
  return communicator.AllGather(mine.source(), all.buffer(), deadline);
}

absl::Status BroadcastOf(const ConformanceMemory& memory,
                         Communicator& communicator, size_t num_bytes,
                         SteadyTime deadline) {
  const ConformanceBytes data(memory, num_bytes);
  return communicator.Broadcast(data.buffer(), /*root=*/0, deadline);
}

absl::Status ExchangeOf(const ConformanceMemory& memory,
                        Communicator& communicator, size_t num_bytes,
                        SteadyTime deadline) {
  const ConformanceBytes sent(memory, num_bytes);
  const ConformanceBytes received(memory, num_bytes * communicator.size());
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  for (int peer = 0; peer < communicator.size(); ++peer) {
    sends.push_back({peer, sent.source()});
    receives.push_back({peer, received.buffer(peer * num_bytes, num_bytes)});
  }
  return communicator.Exchange(sends, receives, deadline);
}

class DecoratingFactory final : public CommunicatorFactory {
 public:
  using Decorate = std::function<std::unique_ptr<Communicator>(
      std::unique_ptr<Communicator>, uint64_t epoch)>;

  DecoratingFactory(std::unique_ptr<CommunicatorFactory> factory,
                    Decorate decorate)
      : factory_(std::move(factory)), decorate_(std::move(decorate)) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                          factory_->Connect(epoch, members, deadline));
    return decorate_(std::move(communicator), epoch);
  }

 private:
  const std::unique_ptr<CommunicatorFactory> factory_;
  const Decorate decorate_;
};

}  // namespace

std::unique_ptr<CommunicatorFactory> DecoratedFactory(
    std::unique_ptr<CommunicatorFactory> factory,
    std::function<std::unique_ptr<Communicator>(std::unique_ptr<Communicator>,
                                                uint64_t epoch)>
        decorate) {
  return std::make_unique<DecoratingFactory>(std::move(factory),
                                             std::move(decorate));
}

std::string ConformanceBackendName(
    const testing::TestParamInfo<ConformanceBackend>& info) {
  return info.param.name;
}

SteadyTime WatchedClock::Now() const {
  absl::MutexLock lock(&mutex_);
  ++looks_;
  looked_.SignalAll();
  return clock_.Now();
}

bool WatchedClock::WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                             SteadyTime deadline) {
  return clock_.WaitUntil(changed, mutex, deadline);
}

int64_t WatchedClock::looks() const {
  absl::MutexLock lock(&mutex_);
  return looks_;
}

void WatchedClock::WaitForLooks(int64_t count) const {
  absl::MutexLock lock(&mutex_);
  while (looks_ < count) looked_.Wait(&mutex_);
}

void CommunicatorConformanceTest::TearDownTestSuite() {
  for (const auto& [reason, count] : Skips()) {
    std::cout << "[ CONFORMANCE ] " << reason << ": " << count
              << " tests skipped\n";
  }
}

std::vector<ConformanceCall> CommunicatorConformanceTest::AllCalls() const {
  const ConformanceMemory& m = memory();
  constexpr size_t kSmall = 24;
  constexpr size_t kLarge = 100'000;
  return {
      {"AllReduceSum small",
       [](Communicator& c, SteadyTime d) { return SumOf(c, 3, d); }},
      {"AllReduceSum large",
       [](Communicator& c, SteadyTime d) { return SumOf(c, 10'001, d); }},
      {"AllGather small",
       [&m](Communicator& c, SteadyTime d) {
         return GatherOf(m, c, kSmall, d);
       }},
      {"AllGather large",
       [&m](Communicator& c, SteadyTime d) {
         return GatherOf(m, c, kLarge, d);
       }},
      {"Broadcast small",
       [&m](Communicator& c, SteadyTime d) {
         return BroadcastOf(m, c, kSmall, d);
       }},
      {"Broadcast large",
       [&m](Communicator& c, SteadyTime d) {
         return BroadcastOf(m, c, kLarge, d);
       }},
      {"Barrier", [](Communicator& c, SteadyTime d) { return c.Barrier(d); }},
      {"Exchange", [&m](Communicator& c,
                        SteadyTime d) { return ExchangeOf(m, c, kLarge, d); }},
      {"Clone", [](Communicator& c,
                   SteadyTime d) { return c.Clone("clone", d).status(); }},
  };
}

std::vector<int> CommunicatorConformanceTest::RankCounts(int min_ranks) const {
  std::vector<int> counts;
  for (const int count : {1, 2, 3, 4, 7, 8, 16}) {
    if (count >= std::max(min_ranks, GetParam().min_ranks) &&
        count <= GetParam().max_ranks) {
      counts.push_back(count);
    }
  }
  return counts;
}

SteadyTime CommunicatorConformanceTest::Far() const {
  return SystemClock().Now() + std::chrono::seconds(120);
}

SteadyTime CommunicatorConformanceTest::Near() const {
  // Long enough that a busy machine has the calls begin before it.
  return SystemClock().Now() + std::chrono::milliseconds(250);
}

std::vector<absl::StatusOr<std::unique_ptr<Communicator>>>
CommunicatorConformanceTest::ConnectAll(int num_ranks) {
  std::vector<int> members(num_ranks);
  std::iota(members.begin(), members.end(), 0);
  const std::vector<std::unique_ptr<CommunicatorFactory>> factories =
      GetParam().make_job(num_ranks, clock_);
  std::vector<absl::StatusOr<std::unique_ptr<Communicator>>> communicators(
      num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      communicators[rank] =
          factories[rank]->Connect(/*epoch=*/1, members, Far());
    });
  }
  for (std::thread& thread : threads) thread.join();
  return communicators;
}

std::vector<absl::Status> CommunicatorConformanceTest::RunRanks(
    int num_ranks, const RankBody& body) {
  auto communicators = ConnectAll(num_ranks);
  std::vector<absl::Status> results(num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    if (!communicators[rank].ok()) {
      results[rank] = communicators[rank].status();
      ADD_FAILURE() << "rank " << rank << " of " << num_ranks
                    << " cannot connect: " << results[rank];
      continue;
    }
    threads.emplace_back(
        [&, rank] { results[rank] = body(**communicators[rank]); });
  }
  for (std::thread& thread : threads) thread.join();
  // A connection takes a while to close, and ranks leave at once.
  ForEachAtOnce(communicators, [](auto& communicator) {
    if (communicator.ok()) communicator->reset();
  });
  return results;
}

void CommunicatorConformanceTest::RunRanksOk(int num_ranks,
                                             const RankBody& body) {
  const std::vector<absl::Status> results = RunRanks(num_ranks, body);
  for (int rank = 0; rank < num_ranks; ++rank) {
    EXPECT_THAT(results[rank], IsOk())
        << "on rank " << rank << " of " << num_ranks;
  }
}

bool CommunicatorConformanceTest::CanKeep(ConformanceRule rule) {
  const auto exception = GetParam().exceptions.find(rule);
  if (exception == GetParam().exceptions.end()) return true;
  ++Skips()[GetParam().name + ": " + exception->second];
  [&] { GTEST_SKIP() << exception->second; }();
  return false;
}

}  // namespace eplb
