#include "tools/report/report_page.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/load/output_file.h"
#include "tools/report/balancedness_chart.h"
#include "tools/report/heat_map.h"
#include "tools/report/html.h"
#include "tools/report/report.h"
#include "tools/report/report_json.h"
#include "tools/report/report_script.h"
#include "tools/report/report_style.h"
#include "tools/report/report_tables.h"
#include "tools/report/report_tiles.h"

namespace eplb {
namespace {

constexpr int kMaxPoints = 1500;
constexpr size_t kMaxRearrangements = 500;

// Where the script says what is under the pointer or the cursor.
constexpr char kReadout[] = "<p class=\"readout\" aria-live=\"polite\"></p>";

std::string KeyEntry(const char* kind, const std::string& name) {
  return absl::StrCat(
      "<li><svg viewBox=\"0 0 30 12\" aria-hidden=\"true\"><path class=\"line ",
      kind, "\" d=\"M1,6H29\"/></svg>", HtmlText(name), "</li>");
}

std::string BalancednessSection(const Report& report, size_t num_points) {
  if (report.points.empty()) return "";
  std::string key;
  if (!report.without.empty()) {
    key =
        absl::StrCat("<ul class=\"key\">", KeyEntry("with", report.after_label),
                     KeyEntry("without", report.before_label), "</ul>");
  }
  const std::string folded =
      num_points > report.points.size()
          ? absl::StrCat(" Each point is the mean of up to ",
                         (num_points + kMaxPoints - 1) / kMaxPoints, " ",
                         HtmlText(report.step_name), "s.")
          : "";
  return absl::StrCat(
      "<section><h2>Balancedness over time</h2><figure>", key,
      BalancednessChart(report),
      "<figcaption>Mean rank load over the largest, averaged over the layers: "
      "1 is perfect. Triangles mark rearrangements.",
      folded, "</figcaption>", kReadout,
      "</figure><details><summary>Balancedness, as a table</summary>",
      StepTable(report), "</details></section>");
}

std::string MapFigure(const char* id, const std::string& label,
                      const RankLoadMap& map) {
  return absl::StrCat("<figure><h3>", HtmlText(label), "</h3>",
                      HeatMap(id, label, map), kReadout, "</figure>");
}

std::string RanksSection(const Report& report) {
  if (!report.ranks_before && !report.ranks_after) return "";
  std::string maps;
  if (report.ranks_before) {
    maps +=
        MapFigure("ranks_before", report.before_label, *report.ranks_before);
  }
  if (report.ranks_after) {
    maps += MapFigure("ranks_after", report.after_label, *report.ranks_after);
  }
  return absl::StrCat(
      "<section class=\"long\"><div class=\"together\"><h2>Load of the "
      "ranks</h2><p class=\"soft\">"
      "Each cell is what a rank carried over all steps of its side, over the "
      "mean of its layer; layers run down, ranks across. What is uneven in "
      "single steps and evens out over them shows in the balancedness "
      "only.</p>",
      HeatScale(), "<div class=\"maps\">", maps, "</div></div>",
      "<details><summary>Layer by layer, as a table</summary>",
      LayerTable(report), "</details></section>");
}

std::string Section(const std::string& title, const std::string& table) {
  if (table.empty()) return "";
  return absl::StrCat(
      "<section class=\"long\"><h2>", title,
      "</h2><div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"",
      title, "\">", table, "</div></section>");
}

// What the page shows of `report`.
Report Limited(Report report) {
  auto& rearrangements = report.rearrangements;
  if (rearrangements.size() > kMaxRearrangements) {
    rearrangements.erase(rearrangements.begin(),
                         rearrangements.end() - kMaxRearrangements);
  }
  for (size_t i = 0; i < rearrangements.size(); ++i) {
    const int64_t end = i + 1 < rearrangements.size()
                            ? rearrangements[i + 1].step
                            : std::numeric_limits<int64_t>::max();
    rearrangements[i].balancedness =
        MeanOfPoints(report.points, rearrangements[i].step, end);
  }
  report.points = FoldPoints(report.points, kMaxPoints);
  report.without = FoldPoints(report.without, kMaxPoints);
  return report;
}

}  // namespace

std::string ReportPage(const Report& full_report) {
  const Report report = Limited(full_report);
  const ReportTotals totals = TotalsOf(full_report.rearrangements);
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src "
      "data:\">\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
      HtmlText(report.title), "</title>\n<style>", kReportStyle,
      "</style></head>\n<body><main>\n<header><h1>", HtmlText(report.title),
      "</h1><p class=\"soft\">", HtmlText(report.source), "</p></header>\n",
      ReportTiles(report, totals), "\n",
      Section("Combinations", VariantTable(report)), "\n",
      BalancednessSection(report, full_report.points.size()), "\n",
      RanksSection(report), "\n",
      Section("Hottest experts", HottestTable(report)), "\n",
      Section("Rearrangements",
              RearrangementTable(report, totals.rearrangements)),
      "\n", Section("Configuration", ConfigurationTable(report)),
      "\n<footer>Made by eplb.</footer>\n</main>\n"
      "<script type=\"application/json\" id=\"figures\">",
      JsonForScript(ReportJson(report, totals)), "</script>\n<script>",
      kReportScript, "</script></body></html>\n");
}

absl::Status WriteReport(const std::string& name, const Report& report) {
  return ReplaceFile(name, ReportPage(report));
}

}  // namespace eplb
