// SimulationReport: the report of simulated combinations.

#ifndef EPLB_TOOLS_SIMULATION_REPORT_H_
#define EPLB_TOOLS_SIMULATION_REPORT_H_

#include <string>

#include "absl/types/span.h"
#include "tools/report/report.h"
#include "tools/simulation_text.h"

namespace eplb {

// A table of all `combinations` (at least one), and the most balanced one in
// detail; of equally balanced ones the first. `source` says where the loads
// are from: "loads.npy", "zipf:1.0".
Report SimulationReport(absl::Span<const SimulatedCombination> combinations,
                        const std::string& source);

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_REPORT_H_
