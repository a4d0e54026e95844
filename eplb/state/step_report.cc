#include "eplb/state/step_report.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/load/balancedness.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/load_dump_writer.h"
#include "eplb/load/load_recorder.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"
#include "eplb/state/token_table.h"

namespace eplb {
namespace {

std::vector<int64_t> SumReplicas(absl::Span<const int64_t> slot_counts,
                                 const Placement& placement) {
  const size_t num_experts = placement.num_logical_experts();
  std::vector<int64_t> sums(placement.num_layers() * num_experts);
  auto count = slot_counts.begin();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (const int32_t expert : placement.experts_of_slots(layer)) {
      if (expert != Placement::kEmptySlot) {
        sums[layer * num_experts + expert] += *count;
      }
      ++count;
    }
  }
  return sums;
}

}  // namespace

absl::Status ReportStep(Model& model, const Placement& placement,
                        const LoadSums::ModelPass& sums,
                        const Topology& topology,
                        const StepReportOptions& options) {
  const bool per_slot =
      model.options().counted_experts == CountedExperts::kSlots;
  std::vector<double> rank_tokens =
      per_slot ? RankLoadsOfSlots(sums.pass, placement.num_layers(), topology)
               : PredictedRankLoads(sums.pass, placement, topology);
  LoadBalance balance =
      MeasureBalance(rank_tokens, placement.num_layers(), topology);
  StepStatistics statistics;
  statistics.model = model.name();
  statistics.step = options.step;
  statistics.balancedness = balance.balancedness;
  statistics.avg_tokens = balance.avg_tokens;
  statistics.max_tokens = balance.max_tokens;
  statistics.predicted = !per_slot;
  statistics.layer_balancedness = std::move(balance.layers);
  statistics.balancedness_planned = model.TakePromise(placement);
  statistics.steps_until_rearrangement = options.steps_until_rearrangement;
  if (options.with_table) {
    statistics.table = std::make_shared<const TokenTable>(
        MakeTokenTable(std::move(rank_tokens),
                       per_slot ? SumReplicas(sums.pass, placement) : sums.pass,
                       placement, topology));
  }
  if (options.events != nullptr) options.events->Record(statistics);
  if (!model.dump()) return absl::OkStatus();
  const std::vector<int64_t> latest =
      per_slot ? sums.pass : DivideOverReplicas(sums.pass, placement);
  const std::vector<DumpedRearrangement> rearrangements =
      std::exchange(model.undumped(), {});
  return model.dump()->Append({.world_size = topology.num_ranks(),
                               .window_size = model.window().window_size(),
                               .step = options.step,
                               .balancedness = balance.balancedness,
                               .placement = &placement,
                               .window_loads = sums.window,
                               .latest_slot_loads = latest,
                               .rearrangements = rearrangements});
}

}  // namespace eplb
