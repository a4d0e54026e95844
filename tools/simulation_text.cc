#include "tools/simulation_text.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "eplb/load/json_writer.h"
#include "tools/byte_count.h"
#include "tools/command/text_table.h"
#include "tools/simulation/simulation.h"

namespace eplb {

std::string SimulationTable(absl::Span<const SimulatedCombination> combinations,
                            bool color) {
  TextTable table({{"policy", /*left=*/true},
                   {"ranks"},
                   {"redundant"},
                   {"without"},
                   {"balancedness"},
                   {"worst step"},
                   {"rearranged"},
                   {"moved slots"},
                   {"moved bytes"},
                   {"plan time"}});
  for (const SimulatedCombination& row : combinations) {
    const Simulation& simulation = row.simulation;
    table.AddRow(
        {row.policy, absl::StrCat(row.options.num_ranks),
         absl::StrCat(row.options.num_redundant_experts),
         absl::StrFormat("%.4f", simulation.mean_balancedness_without()),
         absl::StrFormat("%.4f", simulation.mean_balancedness()),
         absl::StrFormat("%.4f", simulation.worst_balancedness()),
         absl::StrCat(simulation.rearrangements.size()),
         absl::StrFormat("%.1f", simulation.mean_moved_slots()),
         ByteCount(row.mean_moved_bytes()),
         absl::StrFormat("%.3f ms", simulation.mean_plan_seconds() * 1e3)});
  }
  return table.ToString(color);
}

std::string SimulationJson(
    absl::Span<const SimulatedCombination> combinations) {
  JsonWriter json;
  json.BeginObject().Field("format", "eplb.simulation/1");
  json.Key("results").BeginArray();
  for (const SimulatedCombination& row : combinations) {
    const Simulation& simulation = row.simulation;
    json.BeginObject()
        .Field("policy", row.policy)
        .Field("num_ranks", row.options.num_ranks)
        .Field("num_redundant_experts", row.options.num_redundant_experts)
        .Field("balancedness", simulation.mean_balancedness())
        .Field("worst_balancedness", simulation.worst_balancedness())
        .Field("balancedness_without", simulation.mean_balancedness_without())
        .Field("rearrangements", simulation.rearrangements.size())
        .Field("moved_slots_per_rearrangement", simulation.mean_moved_slots())
        .Field("moved_bytes_per_rearrangement", row.mean_moved_bytes())
        .Field("plan_seconds", simulation.mean_plan_seconds())
        .EndObject();
  }
  return json.EndArray().EndObject().Take();
}

}  // namespace eplb
