#include "tools/simulation_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "tools/byte_count.h"
#include "tools/report/hot_experts.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"
#include "tools/simulation/simulation.h"
#include "tools/simulation_text.h"

namespace eplb {
namespace {

constexpr int kHottestExperts = 20;

std::vector<ReportPoint> Points(const std::vector<double>& balancedness,
                                int64_t first_step) {
  std::vector<ReportPoint> points;
  for (const double value : balancedness) {
    points.push_back({.step = first_step + static_cast<int64_t>(points.size()),
                      .balancedness = value});
  }
  return points;
}

ReportVariant Variant(const SimulatedCombination& combination) {
  const Simulation& simulation = combination.simulation;
  return {.policy = combination.policy,
          .num_ranks = combination.options.num_ranks,
          .num_redundant_experts = combination.options.num_redundant_experts,
          .balancedness = simulation.mean_balancedness(),
          .worst_balancedness = simulation.worst_balancedness(),
          .balancedness_without = simulation.mean_balancedness_without(),
          .moved_slots_per_rearrangement = simulation.mean_moved_slots(),
          .plan_seconds = simulation.mean_plan_seconds()};
}

std::vector<ReportField> Configuration(const SimulatedCombination& combination,
                                       const std::string& source) {
  const SimulationOptions& options = combination.options;
  const Placement& placement = *combination.simulation.placement;
  return {
      {"loads", source},
      {"layers", absl::StrCat(placement.num_layers())},
      {"logical experts per layer",
       absl::StrCat(placement.num_logical_experts())},
      {"redundant experts per layer",
       absl::StrCat(options.num_redundant_experts)},
      {"ranks", absl::StrCat(options.num_ranks)},
      {"nodes", absl::StrCat(options.num_nodes)},
      {"groups of experts", absl::StrCat(options.num_groups)},
      {"policy", combination.policy},
      {"steps between rearrangements", absl::StrCat(options.interval)},
      {"steps of the window", absl::StrCat(options.window)},
      {"most moves per layer", options.max_moves_per_layer == 0
                                   ? "any"
                                   : absl::StrCat(options.max_moves_per_layer)},
      {"target balancedness (incremental)",
       absl::StrCat(options.target_balancedness)},
      {"bytes of an expert",
       ByteCount(static_cast<double>(combination.expert_bytes))}};
}

}  // namespace

Report SimulationReport(absl::Span<const SimulatedCombination> combinations,
                        const std::string& source) {
  Report report;
  for (const SimulatedCombination& combination : combinations) {
    report.variants.push_back(Variant(combination));
  }
  report.shown_variant = static_cast<int>(
      std::max_element(report.variants.begin(), report.variants.end(),
                       [](const ReportVariant& a, const ReportVariant& b) {
                         return a.balancedness < b.balancedness;
                       }) -
      report.variants.begin());
  const SimulatedCombination& shown = combinations[report.shown_variant];
  const Simulation& simulation = shown.simulation;

  report.title = absl::StrCat("What balancing would buy: ", shown.policy,
                              " on ", shown.options.num_ranks, " ranks");
  report.source = absl::StrCat("Simulated on ", source,
                               ". Without balancing means the same slots as ",
                               "they are filled at the start.");
  report.configuration = Configuration(shown, source);
  report.before_label = "without balancing";
  report.after_label = "with balancing";
  report.balancedness_before = simulation.mean_balancedness_without();
  report.balancedness_after = simulation.mean_balancedness();
  const int64_t first_step = simulation.rearrangements.front().step;
  report.points = Points(simulation.balancedness, first_step);
  report.without = Points(simulation.balancedness_without, first_step);
  for (const SimulatedRearrangement& r : simulation.rearrangements) {
    report.rearrangements.push_back(
        {.step = r.step,
         .moved_slots = r.moved_slots,
         .moved_bytes = r.moved_slots * shown.expert_bytes,
         .plan_seconds = r.plan_seconds});
  }
  const int num_layers = simulation.placement->num_layers();
  const int num_ranks = shown.options.num_ranks;
  report.ranks_before =
      MakeRankLoadMap(num_layers, num_ranks, simulation.rank_loads_without);
  report.ranks_after =
      MakeRankLoadMap(num_layers, num_ranks, simulation.rank_loads);
  report.hottest =
      HottestExperts(std::vector<double>(simulation.expert_loads.begin(),
                                         simulation.expert_loads.end()),
                     *simulation.placement, num_ranks, kHottestExperts);
  return report;
}

}  // namespace eplb
