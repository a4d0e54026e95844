// Report: what a report page shows, whoever measured it.
//
//   Report report{.title = "my model", .points = ...};
//   EPLB_RETURN_IF_ERROR(WriteReport("report.html", report));
//
// Recorded dumps, simulations and live runs fill it; what one of them does not
// know stays empty and is left out of the page.

#ifndef EPLB_TOOLS_REPORT_REPORT_H_
#define EPLB_TOOLS_REPORT_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/report/hot_experts.h"
#include "tools/report/rank_load_map.h"

namespace eplb {

struct ReportField {
  std::string name;
  std::string value;
};

// How even one step was: mean over largest rank load, averaged over the layers
// that had tokens; 0 when none had.
struct ReportPoint {
  int64_t step = 0;
  double balancedness = 0;
};

struct ReportRearrangement {
  // The first step that it serves.
  int64_t step = 0;
  // The mean of the steps until the next; the page fills it from the points.
  std::optional<double> balancedness = {};
  // Nothing where ranks or slots changed as well and nobody counted.
  std::optional<int64_t> moved_slots = {};
  std::optional<int64_t> moved_bytes = {};
  std::optional<double> plan_seconds = {};
  // How long the serving thread waited.
  std::optional<double> stall_seconds = {};
};

// One row of a comparison, of which the report shows one in detail.
struct ReportVariant {
  std::string policy = {};
  int num_ranks = 0;
  int num_redundant_experts = 0;
  double balancedness = 0;
  double worst_balancedness = 0;
  double balancedness_without = 0;
  double moved_slots_per_rearrangement = 0;
  double plan_seconds = 0;
};

// Of all rearrangements; nothing where none of them says.
struct ReportTotals {
  int64_t rearrangements = 0;
  std::optional<int64_t> moved_slots = {};
  std::optional<int64_t> moved_bytes = {};
  std::optional<double> mean_plan_seconds = {};
};

struct Report {
  std::string title = {};
  // A sentence: where the figures come from.
  std::string source = {};
  std::vector<ReportField> configuration = {};

  // What "before" and "after" mean here: "without balancing", "with
  // balancing"; with what the steps of each had on average.
  std::string before_label = {};
  std::string after_label = {};
  std::optional<double> balancedness_before = {};
  std::optional<double> balancedness_after = {};

  // By rising step. `without`, when it is not empty, has the same steps.
  std::string step_name = "step";
  std::vector<ReportPoint> points = {};
  std::vector<ReportPoint> without = {};
  std::vector<ReportRearrangement> rearrangements = {};

  // How long a serving thread waited, at a time and in all; the source says
  // whose.
  std::optional<double> longest_stall_seconds = {};
  std::optional<double> total_stall_seconds = {};

  std::optional<RankLoadMap> ranks_before = {};
  std::optional<RankLoadMap> ranks_after = {};

  // By falling load.
  std::vector<HotExpert> hottest = {};

  std::vector<ReportVariant> variants = {};
  // Which of them the rest is about.
  int shown_variant = 0;
};

// The mean of the steps in [begin, end) that had tokens; nothing when none had.
std::optional<double> MeanOfPoints(const std::vector<ReportPoint>& points,
                                   int64_t begin, int64_t end);

ReportTotals TotalsOf(const std::vector<ReportRearrangement>& rearrangements);

// At most `max_points` points: the means of as many consecutive points each
// as are needed. Steps without tokens do not count.
std::vector<ReportPoint> FoldPoints(const std::vector<ReportPoint>& points,
                                    int max_points);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_H_
