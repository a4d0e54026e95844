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
#include "eplb/core/status_macros.h"

namespace eplb {

std::vector<absl::Status> RunInProcessRanks(
    int num_ranks, Clock& clock,
    absl::FunctionRef<absl::Status(std::unique_ptr<Communicator>)> body) {
  std::vector<int> members(num_ranks);
  std::iota(members.begin(), members.end(), 0);
  const auto group = InProcessGroup::Create(num_ranks, clock);
  if (!group.ok()) return {group.status()};
  const SteadyTime deadline = clock.Now() + std::chrono::minutes(5);
  std::vector<absl::Status> results(num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      results[rank] = [&]() -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                              (*group)->FactoryOfRank(rank)->Connect(
                                  /*epoch=*/1, members, deadline));
        return body(std::move(communicator));
      }();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace eplb
