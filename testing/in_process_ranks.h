// RunInProcessRanks: a body per rank, on threads of the test, over a new
// in-process communicator.
//
//   FakeClock clock;
//   const std::vector<absl::Status> results = RunInProcessRanks(
//       4, clock, [&](std::unique_ptr<Communicator> communicator) {
//         return communicator->Barrier(clock.Now() + std::chrono::seconds(1));
//       });

#ifndef EPLB_TESTING_IN_PROCESS_RANKS_H_
#define EPLB_TESTING_IN_PROCESS_RANKS_H_

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// What each rank's `body` returned, in rank order. The body owns its
// communicator: when it returns, the rank leaves the group.
std::vector<absl::Status> RunInProcessRanks(
    int num_ranks, Clock& clock,
    absl::FunctionRef<absl::Status(std::unique_ptr<Communicator>)> body);

}  // namespace eplb

#endif  // EPLB_TESTING_IN_PROCESS_RANKS_H_
