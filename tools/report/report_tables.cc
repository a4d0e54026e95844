#include "tools/report/report_tables.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tools/report/hot_experts.h"
#include "tools/report/html.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

// More replicas are counted only.
constexpr size_t kMaxShownRanks = 16;
constexpr size_t kMaxShownSteps = 50;

std::string Cell(const std::string& content) {
  return absl::StrCat("<td>", content, "</td>");
}

std::string NameCell(absl::string_view text) {
  return absl::StrCat("<td class=\"name\">", HtmlText(text), "</td>");
}

struct Column {
  std::string title;
  // Words line up on the left, numbers on the right.
  bool left = false;
};

std::string Head(const std::vector<Column>& columns) {
  std::string head = "<thead><tr>";
  for (const Column& column : columns) {
    absl::StrAppend(&head, "<th scope=\"col\"",
                    column.left ? " class=\"name\"" : "", ">",
                    HtmlText(column.title), "</th>");
  }
  return head + "</tr></thead>";
}

// A table that can be wider than the page: a region with a name, so that the
// keyboard reaches and scrolls it.
std::string BeginScrolledTable(const std::string& caption,
                               const std::vector<Column>& columns) {
  const std::string name = HtmlText(caption);
  return absl::StrCat(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
      name, "\"><table><caption>", name, "</caption>", Head(columns),
      "<tbody>");
}
constexpr char kEndScrolledTable[] = "</tbody></table></div>";

std::string RowName(const std::string& content) {
  return absl::StrCat("<th scope=\"row\">", content, "</th>");
}

// One optional column of the rearrangements.
template <typename T>
bool Any(const Report& report, std::optional<T> ReportRearrangement::*field) {
  return std::any_of(
      report.rearrangements.begin(), report.rearrangements.end(),
      [&](const ReportRearrangement& r) { return (r.*field).has_value(); });
}

// The busiest rank of a row and what it carries.
std::string BusiestCells(const std::string& id,
                         const std::optional<RankLoadMap>& map, int row) {
  if (!map) return "";
  int busiest = 0;
  for (int column = 1; column < map->columns(); ++column) {
    if (map->cell(row, column) > map->cell(row, busiest)) busiest = column;
  }
  return absl::StrCat(
      Cell(map->ColumnName(busiest)),
      Cell(Figure(absl::StrCat(id, ".load_over_mean.", row, ".", busiest),
                  map->cell(row, busiest), 3)));
}

}  // namespace

std::string StepTable(const Report& report) {
  const bool without = !report.without.empty();
  const size_t distance =
      (report.points.size() + kMaxShownSteps - 1) / kMaxShownSteps;
  if (distance == 0) return "";
  std::vector<Column> titles = {{report.step_name}};
  if (without) titles.push_back({report.before_label});
  titles.push_back({without ? report.after_label : "balancedness"});
  const std::string caption =
      distance == 1
          ? "Balancedness"
          : absl::StrCat("Balancedness, every ", distance, "th point");
  std::string table = BeginScrolledTable(caption, titles);
  const auto cell = [](const char* name, size_t i, double balancedness) {
    return Cell(balancedness == 0
                    ? "no tokens"
                    : Figure(absl::StrCat(name, ".", i), balancedness, 3));
  };
  for (size_t i = 0; i < report.points.size(); i += distance) {
    absl::StrAppend(
        &table, "<tr>",
        RowName(Figure(absl::StrCat("steps.", i),
                       static_cast<double>(report.points[i].step), 0)),
        without
            ? cell("balancedness_without", i, report.without[i].balancedness)
            : "",
        cell("balancedness", i, report.points[i].balancedness), "</tr>");
  }
  return table + kEndScrolledTable;
}

std::string LayerTable(const Report& report) {
  const std::optional<RankLoadMap>& any =
      report.ranks_after ? report.ranks_after : report.ranks_before;
  if (!any) return "";
  std::vector<Column> titles = {{"layer"}};
  const std::pair<const std::optional<RankLoadMap>*, const std::string*>
      sides[] = {{&report.ranks_before, &report.before_label},
                 {&report.ranks_after, &report.after_label}};
  for (const auto& [map, label] : sides) {
    if (!*map) continue;
    titles.push_back({absl::StrCat("busiest, ", *label)});
    titles.push_back({"over the mean"});
  }
  std::string table =
      BeginScrolledTable("The busiest rank of each layer", titles);
  for (int row = 0; row < any->rows(); ++row) {
    absl::StrAppend(&table, "<tr>", RowName(any->RowName(row)),
                    BusiestCells("ranks_before", report.ranks_before, row),
                    BusiestCells("ranks_after", report.ranks_after, row),
                    "</tr>");
  }
  return table + kEndScrolledTable;
}

std::string HottestTable(const Report& report) {
  if (report.hottest.empty()) return "";
  std::string table = absl::StrCat(
      "<table><caption>Experts with the largest load over the mean of their "
      "layer, and the ranks of their replicas in the last placement</caption>",
      Head({{"layer"},
            {"expert"},
            {"load over the mean"},
            {"replicas"},
            {"on ranks", /*left=*/true}}),
      "<tbody>");
  for (size_t i = 0; i < report.hottest.size(); ++i) {
    const HotExpert& hot = report.hottest[i];
    const std::string path = absl::StrCat("hottest_experts.", i, ".");
    const size_t shown = std::min(hot.ranks.size(), kMaxShownRanks);
    absl::StrAppend(
        &table, "<tr>", Cell(Figure(path + "layer", hot.layer, 0)),
        Cell(Figure(path + "expert", hot.expert, 0)),
        Cell(Figure(path + "load_over_mean", hot.load_over_mean, 2)),
        Cell(Figure(path + "replicas", static_cast<double>(hot.ranks.size()),
                    0)),
        NameCell(absl::StrCat(
            absl::StrJoin(hot.ranks.begin(), hot.ranks.begin() + shown, ", "),
            shown < hot.ranks.size() ? ", ..." : "")),
        "</tr>");
  }
  return table + "</tbody></table>";
}

std::string RearrangementTable(const Report& report,
                               size_t num_rearrangements) {
  const std::vector<ReportRearrangement>& all = report.rearrangements;
  if (all.empty()) return "";
  const bool bytes = Any(report, &ReportRearrangement::moved_bytes);
  const bool plan = Any(report, &ReportRearrangement::plan_seconds);
  const bool stall = Any(report, &ReportRearrangement::stall_seconds);
  std::vector<Column> titles = {
      {report.step_name}, {"balancedness until the next"}, {"slots moved"}};
  if (bytes) titles.push_back({"bytes moved"});
  if (plan) titles.push_back({"plan, ms"});
  if (stall) titles.push_back({"stall, ms"});
  std::string table =
      absl::StrCat("<table>",
                   all.size() < num_rearrangements
                       ? absl::StrCat("<caption>The last ", all.size(), " of ",
                                      num_rearrangements, "</caption>")
                       : "",
                   Head(titles), "<tbody>");
  for (size_t i = 0; i < all.size(); ++i) {
    const ReportRearrangement& r = all[i];
    const std::string path = absl::StrCat("rearrangements.", i, ".");
    const auto figure = [&](const char* name, const auto& value, int digits,
                            int scale = 1) {
      return Cell(value ? Figure(path + name, static_cast<double>(*value),
                                 digits, scale)
                        : "&ndash;");
    };
    absl::StrAppend(
        &table, "<tr>",
        RowName(Figure(path + "step", static_cast<double>(r.step), 0)),
        figure("balancedness", r.balancedness, 3),
        figure("moved_slots", r.moved_slots, 0),
        bytes ? Cell(r.moved_bytes
                         ? BytesFigure(path + "moved_bytes", *r.moved_bytes)
                         : "&ndash;")
              : "",
        plan ? figure("plan_seconds", r.plan_seconds, 3, 1000) : "",
        stall ? figure("stall_seconds", r.stall_seconds, 3, 1000) : "",
        "</tr>");
  }
  return table + "</tbody></table>";
}

std::string VariantTable(const Report& report) {
  if (report.variants.empty()) return "";
  std::string table = absl::StrCat(
      "<table><caption>The rest of the page is about the row in "
      "bold.</caption>",
      Head({{"policy", /*left=*/true},
            {"ranks"},
            {"redundant"},
            {"without balancing"},
            {"balancedness"},
            {"worst step"},
            {"slots moved each time"},
            {"plan, ms"}}),
      "<tbody>");
  for (size_t i = 0; i < report.variants.size(); ++i) {
    const ReportVariant& row = report.variants[i];
    const auto figure = [&](const char* name, double value, int digits,
                            int scale = 1) {
      return Cell(Figure(absl::StrCat("variants.", i, ".", name), value, digits,
                         scale));
    };
    absl::StrAppend(
        &table,
        static_cast<int>(i) == report.shown_variant
            ? "<tr class=\"shown\" aria-current=\"true\">"
            : "<tr>",
        NameCell(row.policy), figure("num_ranks", row.num_ranks, 0),
        figure("num_redundant_experts", row.num_redundant_experts, 0),
        figure("balancedness_without", row.balancedness_without, 4),
        figure("balancedness", row.balancedness, 4),
        figure("worst_balancedness", row.worst_balancedness, 4),
        figure("moved_slots_per_rearrangement",
               row.moved_slots_per_rearrangement, 1),
        figure("plan_seconds", row.plan_seconds, 3, 1000), "</tr>");
  }
  return table + "</tbody></table>";
}

std::string ConfigurationTable(const Report& report) {
  if (report.configuration.empty()) return "";
  std::string table = "<table><tbody>";
  for (const ReportField& field : report.configuration) {
    absl::StrAppend(&table, "<tr><th scope=\"row\" class=\"name\">",
                    HtmlText(field.name), "</th>", NameCell(field.value),
                    "</tr>");
  }
  return table + "</tbody></table>";
}

}  // namespace eplb
