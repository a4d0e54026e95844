// Simulated combinations as a table to read and as JSON.

#ifndef EPLB_TOOLS_SIMULATION_TEXT_H_
#define EPLB_TOOLS_SIMULATION_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "tools/simulation/simulation.h"

namespace eplb {

struct SimulatedCombination {
  std::string policy;
  SimulationOptions options;
  Simulation simulation;
  int64_t expert_bytes = 0;

  // Per rearrangement.
  double mean_moved_bytes() const {
    return simulation.mean_moved_slots() * static_cast<double>(expert_bytes);
  }
};

// One row for each. `color` allows escape sequences.
std::string SimulationTable(absl::Span<const SimulatedCombination> combinations,
                            bool color);

// An object of format "eplb.simulation/1".
std::string SimulationJson(absl::Span<const SimulatedCombination> combinations);

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_TEXT_H_
