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

double CountedBalancedness(const LoadDumpRecord& record) {
  const int num_ranks = static_cast<int>(record.world_size);
  std::vector<double> rank_loads(
      static_cast<size_t>(record.placement.num_layers()) * num_ranks);
  SumSlotsByRank(record.slot_loads, absl::MakeSpan(rank_loads));
  return MeanBalancedness(rank_loads, num_ranks);
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
    summary.balancedness = CountedBalancedness(*record);
  }
}

}  // namespace eplb
