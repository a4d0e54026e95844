#include "testing/in_process_ranks.h"

#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"

namespace eplb {

namespace {

void RunThreads(int num_threads, absl::FunctionRef<void(int)> body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < num_threads; ++i) {
    threads.emplace_back([body, i] { body(i); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

std::vector<absl::Status> RunInProcessRanks(
    int num_ranks, Clock& clock,
    absl::FunctionRef<absl::Status(std::unique_ptr<Communicator>)> body) {
  std::vector<int> members(num_ranks);
  std::iota(members.begin(), members.end(), 0);
  const auto group = InProcessGroup::Create(num_ranks, clock);
  if (!group.ok()) return {group.status()};
  const SteadyTime deadline = clock.Now() + std::chrono::minutes(5);
  std::vector<absl::Status> results(num_ranks);
  std::vector<std::unique_ptr<Communicator>> communicators(num_ranks);
  RunThreads(num_ranks, [&](int rank) {
    auto communicator = (*group)->FactoryOfRank(rank)->Connect(
        /*epoch=*/1, members, deadline);
    results[rank] = communicator.status();
    if (communicator.ok()) communicators[rank] = *std::move(communicator);
  });
  // Only when no rank is connecting any more does a test that counts the
  // waiters of its clock count those of its own calls.
  RunThreads(num_ranks, [&](int rank) {
    if (results[rank].ok())
      results[rank] = body(std::move(communicators[rank]));
  });
  return results;
}

}  // namespace eplb
