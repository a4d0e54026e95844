#include "tools/report/report_tiles.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/report/html.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

constexpr int kMaxColumns = 6;

std::string Tile(const std::string& name, const std::string& value) {
  return absl::StrCat("<div><dt>", HtmlText(name), "</dt><dd>", value,
                      "</dd></div>");
}

// As many in each row as can be: 4 and 4, not 6 and 2.
int Columns(int tiles) {
  const int rows = (tiles + kMaxColumns - 1) / kMaxColumns;
  return (tiles + rows - 1) / rows;
}

}  // namespace

std::string ReportTiles(const Report& report, const ReportTotals& totals) {
  std::vector<std::string> tiles;
  if (report.balancedness_before) {
    tiles.push_back(
        Tile(absl::StrCat("Balancedness ", report.before_label),
             Figure("balancedness_before", *report.balancedness_before, 3)));
  }
  if (report.balancedness_after) {
    tiles.push_back(
        Tile(absl::StrCat("Balancedness ", report.after_label),
             Figure("balancedness_after", *report.balancedness_after, 3)));
  }
  tiles.push_back(Tile("Rearrangements", CountFigure("totals.rearrangements",
                                                     totals.rearrangements)));
  if (totals.moved_slots) {
    tiles.push_back(Tile(
        "Slots moved", CountFigure("totals.moved_slots", *totals.moved_slots)));
  }
  if (totals.moved_bytes) {
    tiles.push_back(Tile(
        "Bytes moved", BytesFigure("totals.moved_bytes", *totals.moved_bytes)));
  }
  if (totals.mean_plan_seconds) {
    tiles.push_back(
        Tile("Mean plan time", MillisecondsFigure("totals.mean_plan_seconds",
                                                  *totals.mean_plan_seconds)));
  }
  if (report.longest_stall_seconds) {
    tiles.push_back(Tile("Longest stall",
                         MillisecondsFigure("totals.longest_stall_seconds",
                                            *report.longest_stall_seconds)));
  }
  if (report.total_stall_seconds) {
    tiles.push_back(
        Tile("Total stall", MillisecondsFigure("totals.total_stall_seconds",
                                               *report.total_stall_seconds)));
  }
  return absl::StrCat("<dl class=\"tiles\" style=\"--columns:",
                      Columns(static_cast<int>(tiles.size())), "\">",
                      absl::StrJoin(tiles, ""), "</dl>");
}

}  // namespace eplb
