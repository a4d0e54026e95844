#include "testing/scheduled_network.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gtest/gtest.h"
#include "testing/seeded_scheduler.h"

namespace eplb {
namespace {

constexpr int kNumSeeds = 100;
const std::vector<int> kThree = {0, 1, 2};

Buffer BufferOf(std::vector<int64_t>& values) {
  return {values.data(), values.size() * sizeof(int64_t)};
}
ConstBuffer ConstBufferOf(const std::vector<int64_t>& values) {
  return {values.data(), values.size() * sizeof(int64_t)};
}

// Each operation once, with its results checked.
absl::Status UseEveryOperation(Communicator& communicator,
                               SteadyTime deadline) {
  const int rank = communicator.rank();
  std::vector<int64_t> sums = {rank, 1};
  EPLB_RETURN_IF_ERROR(
      communicator.AllReduceSum(absl::MakeSpan(sums), deadline));
  EXPECT_EQ(sums, (std::vector<int64_t>{3, 3}));

  const std::vector<int64_t> mine = {10 + rank};
  std::vector<int64_t> all(3);
  EPLB_RETURN_IF_ERROR(
      communicator.AllGather(ConstBufferOf(mine), BufferOf(all), deadline));
  EXPECT_EQ(all, (std::vector<int64_t>{10, 11, 12}));

  std::vector<int64_t> told = {rank};
  EPLB_RETURN_IF_ERROR(communicator.Broadcast(BufferOf(told), 1, deadline));
  EXPECT_EQ(told, (std::vector<int64_t>{1}));

  std::vector<int64_t> from_left(1);
  EPLB_RETURN_IF_ERROR(communicator.Exchange(
      {{.destination = (rank + 1) % 3, .buffer = ConstBufferOf(mine)}},
      {{.source = (rank + 2) % 3, .buffer = BufferOf(from_left)}}, deadline));
  EXPECT_EQ(from_left[0], 10 + (rank + 2) % 3);
  return communicator.Barrier(deadline);
}

// Connects three processes, runs `body` in each, and returns their results.
template <typename Body>
std::vector<absl::Status> RunThree(SeededScheduler& scheduler,
                                   ScheduledNetwork& network, Body body) {
  std::vector<absl::Status> results(3);
  for (int process = 0; process < 3; ++process) {
    scheduler.Spawn(absl::StrCat("process ", process), [&, process] {
      const auto communicator = network.FactoryOfProcess(process)->Connect(
          1, kThree, scheduler.clock().Now() + std::chrono::minutes(1));
      results[process] =
          communicator.ok() ? body(**communicator) : communicator.status();
    });
  }
  scheduler.Run();
  return results;
}

TEST(ScheduledNetworkTest, CarriesEveryOperation) {
  for (uint64_t seed = 0; seed < kNumSeeds; ++seed) {
    SeededScheduler scheduler(seed);
    ScheduledNetwork network(scheduler, {.num_processes = 3});
    const SteadyTime deadline =
        scheduler.clock().Now() + std::chrono::minutes(1);
    const std::vector<absl::Status> results =
        RunThree(scheduler, network, [&](Communicator& communicator) {
          EPLB_RETURN_IF_ERROR(UseEveryOperation(communicator, deadline));
          EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> clone,
                                communicator.Clone("worker", deadline));
          return UseEveryOperation(*clone, deadline);
        });
    for (const absl::Status& result : results) {
      EXPECT_TRUE(result.ok()) << "seed " << seed << ": " << result;
    }
  }
}

TEST(ScheduledNetworkTest, ADeadProcessIsNamedAtTheDeadline) {
  for (uint64_t seed = 0; seed < kNumSeeds; ++seed) {
    SeededScheduler scheduler(seed);
    ScheduledNetwork network(scheduler, {.num_processes = 3});
    const std::vector<absl::Status> results =
        RunThree(scheduler, network, [&](Communicator& communicator) {
          if (communicator.rank() == 2) network.Kill(2);
          return communicator.Barrier(scheduler.clock().Now() +
                                      std::chrono::seconds(1));
        });
    EXPECT_TRUE(absl::IsCancelled(results[2]));
    for (int rank = 0; rank < 2; ++rank) {
      EXPECT_TRUE(absl::IsDeadlineExceeded(results[rank])) << results[rank];
      EXPECT_NE(results[rank].message().find("waits for ranks 2"),
                absl::string_view::npos)
          << results[rank];
    }
  }
}

TEST(ScheduledNetworkTest, OneRankMaySeeAnOperationCompleteThatOthersDoNot) {
  int num_split = 0;
  for (uint64_t seed = 0; seed < kNumSeeds; ++seed) {
    SeededScheduler scheduler(seed);
    ScheduledNetwork network(scheduler,
                             {.num_processes = 3, .one_stall_in = 10});
    const std::vector<absl::Status> results =
        RunThree(scheduler, network, [&](Communicator& communicator) {
          return communicator.Barrier(scheduler.clock().Now() +
                                      std::chrono::seconds(1));
        });
    int num_ok = 0;
    for (const absl::Status& result : results) num_ok += result.ok();
    num_split += num_ok == 1 || num_ok == 2;
  }
  EXPECT_GT(num_split, 0);
}

}  // namespace
}  // namespace eplb
