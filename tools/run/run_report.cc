#include "tools/run/run_report.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "tools/byte_count.h"
#include "tools/report/hot_experts.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"
#include "tools/run/phase_balance.h"
#include "tools/run/run_options.h"
#include "tools/run/run_result.h"

namespace eplb {
namespace {

constexpr int kHottestExperts = 20;

std::vector<ReportField> Configuration(const RunOptions& options,
                                       const RunResult& result) {
  return {
      {"traffic", options.traffic.traffic},
      {"layers", absl::StrCat(options.traffic.layers)},
      {"logical experts per layer", absl::StrCat(options.traffic.experts)},
      {"redundant experts per layer", absl::StrCat(options.redundant)},
      {"ranks", absl::StrCat(result.num_ranks)},
      {"backend", result.backend},
      {"nodes", absl::StrCat(options.nodes)},
      {"groups of experts", absl::StrCat(options.groups)},
      {"policy", result.policy},
      {"rearranges", result.use_async ? "in the background" : "between steps"},
      {"steps between rearrangements", absl::StrCat(options.interval)},
      {"steps of the window", absl::StrCat(options.window)},
      {"most moves per layer",
       options.policy.max_moves_per_layer == 0
           ? "any"
           : absl::StrCat(options.policy.max_moves_per_layer)},
      {"target balancedness (incremental)",
       absl::StrCat(options.policy.target_balancedness)},
      {"least gain in balancedness",
       absl::StrCat(options.min_balancedness_gain)},
      {"decay of loads per step", absl::StrCat(options.load_decay)},
      {"checksums of what moves", options.verify_checksums ? "yes" : "no"},
      {"staging", options.staging_bytes == 0
                      ? "a rank's experts of one layer"
                      : ByteCount(static_cast<double>(options.staging_bytes))},
      {"copied in a step, at most",
       result.use_async
           ? ByteCount(static_cast<double>(options.transfer_bytes_per_step))
           : "any"},
      {"switched at once, at most",
       options.switch_bytes_per_step == 0
           ? "one layer"
           : ByteCount(static_cast<double>(options.switch_bytes_per_step))},
      {"timeout", absl::FormatDuration(absl::FromChrono(options.timeout))},
      {"tokens of a rank in a step", absl::StrCat(options.tokens)},
      {"bytes of an expert",
       ByteCount(static_cast<double>(options.expert_bytes))},
      {"seed", absl::StrCat(options.traffic.seed)},
      {"slots whose bytes were checked",
       absl::StrCat(result.figures.slots_checked)},
      {"outputs compared with the reference",
       absl::StrCat(result.figures.outputs_checked)}};
}

std::optional<double> MeanOrNothing(double mean) {
  return mean > 0 ? std::optional<double>(mean) : std::nullopt;
}

}  // namespace

Report RunReport(const RunOptions& options, const RunResult& result,
                 const PhaseBalance& balance,
                 const std::vector<RearrangementFinished>& rearrangements,
                 absl::Span<const int64_t> expert_loads,
                 const Placement& placement) {
  Report report;
  report.title = absl::StrCat("A live run: ", result.policy, " on ",
                              result.num_ranks, " ranks");
  report.source = absl::StrCat(
      "Measured by eplb run over ", result.steps,
      " steps. Before is up to the first rearrangement, after is since the "
      "last layer switched. A stall is the time that a serving thread spent "
      "in Step, of the rank with the most.");
  report.configuration = Configuration(options, result);
  report.before_label = "before";
  report.after_label = "after";
  report.balancedness_before = MeanOrNothing(balance.before());
  report.balancedness_after = MeanOrNothing(balance.after());
  for (const double balancedness : balance.history()) {
    report.points.push_back({.step = static_cast<int64_t>(report.points.size()),
                             .balancedness = balancedness});
  }
  for (const RearrangementFinished& rearrangement : rearrangements) {
    report.rearrangements.push_back(
        {.step = rearrangement.step + 1,
         .moved_slots = rearrangement.moved_slots,
         .moved_bytes = rearrangement.moved_bytes,
         .plan_seconds = rearrangement.plan_seconds});
    // In the background nobody waits for it.
    if (!result.use_async) {
      report.rearrangements.back().stall_seconds = rearrangement.seconds;
    }
  }
  report.longest_stall_seconds = result.longest_stall_seconds();
  report.total_stall_seconds = result.total_stall_seconds();
  report.ranks_before = MakeRankLoadMap(
      placement.num_layers(), result.num_ranks, balance.rank_loads_before());
  if (balance.after() > 0) {
    report.ranks_after = MakeRankLoadMap(
        placement.num_layers(), result.num_ranks, balance.rank_loads_after());
  }
  report.hottest = HottestExperts(
      std::vector<double>(expert_loads.begin(), expert_loads.end()), placement,
      result.num_ranks, kHottestExperts);
  return report;
}

}  // namespace eplb
