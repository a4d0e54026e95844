#include "tools/dump_summary.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_dump.h"
#include "tools/rank_loads.h"

namespace eplb {
namespace {

double MeanBalancedness(const LoadDumpRecord& record) {
  const size_t num_slots = record.placement.num_slots();
  std::vector<double> rank_loads(record.world_size);
  double sum = 0;
  int layers = 0;
  for (int layer = 0; layer < record.placement.num_layers(); ++layer) {
    SumSlotsByRank(absl::MakeConstSpan(record.slot_loads)
                       .subspan(layer * num_slots, num_slots),
                   absl::MakeSpan(rank_loads));
    const double balancedness = Balancedness(rank_loads);
    sum += balancedness;
    layers += balancedness > 0;
  }
  return layers == 0 ? 0 : sum / layers;
}

}  // namespace

absl::StatusOr<DumpSummary> SummarizeDump(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(LoadDumpReader reader, LoadDumpReader::Open(name));
  DumpSummary summary;
  bool first = true;
  while (true) {
    EPLB_ASSIGN_OR_RETURN(const std::optional<LoadDumpRecord> record,
                          reader.Next());
    if (!record) return summary;
    if (first) summary.first_step = record->step;
    first = false;
    summary.model_name = record->model_name;
    summary.last_step = record->step;
    summary.world_size = record->world_size;
    summary.window_size = record->window_size;
    summary.num_physical_experts = record->placement.num_slots();
    summary.balancedness = MeanBalancedness(*record);
  }
}

}  // namespace eplb
