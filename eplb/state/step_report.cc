#include "eplb/state/step_report.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/load/balancedness.h"
#include "eplb/load/load_dump_writer.h"
#include "eplb/load/load_recorder.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"
#include "eplb/state/token_table.h"

namespace eplb {

absl::Status ReportStep(Model& model, const LoadSums::ModelPass& sums,
                        const Topology& topology,
                        const StepReportOptions& options) {
  const Placement& placement = model.placement();
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
  statistics.steps_until_rearrangement = options.steps_until_rearrangement;
  if (options.with_table) {
    statistics.table = std::make_shared<const TokenTable>(MakeTokenTable(
        std::move(rank_tokens),
        per_slot ? model.recorder().SumReplicas(sums.pass) : sums.pass,
        placement, topology));
  }
  if (options.events != nullptr) options.events->Record(statistics);
  if (!model.dump()) return absl::OkStatus();
  const std::vector<int64_t> latest =
      per_slot ? sums.pass : DivideOverReplicas(sums.pass, placement);
  return model.dump()->Append({.world_size = topology.num_ranks(),
                               .window_size = model.window().window_size(),
                               .step = options.step,
                               .balancedness = balance.balancedness,
                               .placement = &placement,
                               .window_loads = sums.window,
                               .latest_slot_loads = latest});
}

}  // namespace eplb
