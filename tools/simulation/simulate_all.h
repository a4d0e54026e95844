// SimulateAll: many combinations on one trace, several at a time.
//
//   EPLB_ASSIGN_OR_RETURN(std::vector<Simulation> simulations,
//                         SimulateAll(trace, combinations,
//                                     {.num_threads = 2}));

#ifndef EPLB_TOOLS_SIMULATION_SIMULATE_ALL_H_
#define EPLB_TOOLS_SIMULATION_SIMULATE_ALL_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/load/recorded_loads.h"
#include "tools/simulation/simulation.h"

namespace eplb {

struct SimulateAllOptions {
  int num_threads = 1;
  // Called by one thread at a time, with what is replayed so far and in all.
  std::function<void(int64_t steps, int64_t all_steps)> progress = {};
};

// One simulation for each combination, in their order; these do not depend on
// the number of threads. When some fail, the error of the first of them.
absl::StatusOr<std::vector<Simulation>> SimulateAll(
    const RecordedLoads& trace,
    absl::Span<const SimulationOptions> combinations,
    const SimulateAllOptions& options);

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_SIMULATE_ALL_H_
