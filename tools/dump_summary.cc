#include "tools/dump_summary.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_dump.h"

namespace eplb {
namespace {

// 0 for a layer without load. Sums of 2^53 and more need no exact digits here.
double RankBalancedness(absl::Span<const int64_t> slot_loads,
                        int64_t num_ranks) {
  const size_t slots_per_rank = slot_loads.size() / num_ranks;
  double total = 0;
  double largest = 0;
  for (size_t begin = 0; begin < slot_loads.size(); begin += slots_per_rank) {
    double rank = 0;
    for (const int64_t load : slot_loads.subspan(begin, slots_per_rank)) {
      rank += static_cast<double>(load);
    }
    total += rank;
    largest = std::max(largest, rank);
  }
  return largest == 0 ? 0 : total / static_cast<double>(num_ranks) / largest;
}

double MeanBalancedness(const LoadDumpRecord& record) {
  const size_t num_slots = record.placement.num_slots();
  double sum = 0;
  int layers = 0;
  for (int layer = 0; layer < record.placement.num_layers(); ++layer) {
    const double balancedness =
        RankBalancedness(absl::MakeConstSpan(record.slot_loads)
                             .subspan(layer * num_slots, num_slots),
                         record.world_size);
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
