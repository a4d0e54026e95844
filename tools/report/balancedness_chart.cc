#include "tools/report/balancedness_chart.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/report/html.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

constexpr double kWidth = 960;
constexpr double kHeight = 300;
constexpr double kLeft = 44;
constexpr double kRight = 948;
constexpr double kTop = 18;
constexpr double kBottom = 258;
// More marks than this are one grey area; every n-th is drawn instead.
constexpr size_t kMaxMarks = 200;

// Where steps and values are in the picture.
class Scale {
 public:
  explicit Scale(const std::vector<ReportPoint>& points)
      : first_(points.front().step),
        last_(points.back().step),
        steps_(static_cast<double>(std::max<int64_t>(last_ - first_, 1))) {}

  int64_t first() const { return first_; }
  int64_t last() const { return last_; }
  double steps() const { return steps_; }
  double X(int64_t step) const {
    return kLeft +
           (kRight - kLeft) * static_cast<double>(step - first_) / steps_;
  }
  static double Y(double value) { return kBottom - (kBottom - kTop) * value; }

 private:
  int64_t first_;
  int64_t last_;
  double steps_;
};

std::string Path(const std::vector<ReportPoint>& points, const Scale& scale) {
  std::string path;
  bool pen_is_down = false;
  for (size_t i = 0; i < points.size(); ++i) {
    const ReportPoint& point = points[i];
    if (point.balancedness == 0) {
      pen_is_down = false;
      continue;
    }
    absl::StrAppendFormat(&path, "%s%.1f,%.2f", pen_is_down ? "L" : "M",
                          scale.X(point.step), Scale::Y(point.balancedness));
    // A single point between gaps is a dot, which needs a line to be seen.
    const bool alone = !pen_is_down && (i + 1 == points.size() ||
                                        points[i + 1].balancedness == 0);
    if (alone) path += "h0.1";
    pen_is_down = true;
  }
  return path;
}

// The distance of the ticks: 1, 2 or 5 times a power of ten.
int64_t TickDistance(double steps) {
  int64_t distance = 1;
  while (true) {
    for (const int factor : {1, 2, 5}) {
      if (steps / static_cast<double>(distance * factor) <= 10) {
        return distance * factor;
      }
    }
    distance *= 10;
  }
}

std::string Axes(const Scale& scale, const std::string& step_name) {
  std::string axes = "<g class=\"axis\">";
  for (const double value : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    absl::StrAppendFormat(
        &axes,
        "<path d=\"M%.0f,%.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" "
        "text-anchor=\"end\">%.2f</text>",
        kLeft, Scale::Y(value), kRight, kLeft - 6, Scale::Y(value) + 4, value);
  }
  const int64_t distance = TickDistance(scale.steps());
  // Steps may be as large as they are written: no sum may pass the last one.
  const int64_t past = scale.first() % distance;
  int64_t tick = scale.first();
  if (past > 0) tick += std::min(distance - past, scale.last() - tick);
  for (;; tick += distance) {
    absl::StrAppendFormat(&axes,
                          "<path d=\"M%.1f,%.0fv4\"/><text x=\"%.1f\" "
                          "y=\"%.0f\" text-anchor=\"middle\">%d</text>",
                          scale.X(tick), kBottom, scale.X(tick), kBottom + 19,
                          tick);
    if (scale.last() - tick < distance) break;
  }
  absl::StrAppendFormat(&axes,
                        "<text x=\"%.0f\" y=\"%.0f\" "
                        "text-anchor=\"end\">%s</text></g>",
                        kRight, kHeight - 6, HtmlText(step_name));
  return axes;
}

std::string Marks(const Report& report, const Scale& scale) {
  const std::vector<ReportRearrangement>& all = report.rearrangements;
  const size_t distance = all.size() / kMaxMarks + 1;
  std::string marks = "<g class=\"marks\">";
  for (size_t i = 0; i < all.size(); i += distance) {
    // A rearrangement after the last step serves none that is shown.
    const double x = scale.X(std::min(all[i].step, scale.last()));
    const std::string moved =
        all[i].moved_slots
            ? absl::StrCat(", ", *all[i].moved_slots, " slots moved")
            : "";
    absl::StrAppendFormat(&marks,
                          "<g><title>rearrangement at %s %d%s</title><path "
                          "d=\"M%.1f,%.0fV%.0f\"/><path class=\"head\" "
                          "d=\"M%.1f,%.0fl-4,-7h8z\"/></g>",
                          HtmlText(report.step_name), all[i].step, moved, x,
                          kTop, kBottom, x, kTop);
  }
  return marks + "</g>";
}

std::string Label(const Report& report) {
  std::string label = absl::StrCat(
      "Balancedness of ", report.points.size(), " ", report.step_name, "s, ",
      report.rearrangements.size(), " rearrangements.");
  if (report.balancedness_before) {
    absl::StrAppendFormat(&label, " %s: %.3f.", report.before_label,
                          *report.balancedness_before);
  }
  if (report.balancedness_after) {
    absl::StrAppendFormat(&label, " %s: %.3f.", report.after_label,
                          *report.balancedness_after);
  }
  return HtmlText(label);
}

}  // namespace

std::string BalancednessChart(const Report& report) {
  if (report.points.empty()) return "";
  const Scale scale(report.points);
  std::string chart = absl::StrFormat(
      "<svg class=\"chart\" id=\"balancedness\" viewBox=\"0 0 %.0f %.0f\" "
      "role=\"img\" aria-label=\"%s\" data-left=\"%.0f\" data-right=\"%.0f\" "
      "data-top=\"%.0f\" data-bottom=\"%.0f\">",
      kWidth, kHeight, Label(report), kLeft, kRight, kTop, kBottom);
  absl::StrAppend(&chart, Axes(scale, report.step_name), Marks(report, scale));
  if (!report.without.empty()) {
    absl::StrAppend(&chart, "<path class=\"line without\" d=\"",
                    Path(report.without, scale), "\"/>");
  }
  absl::StrAppend(&chart, "<path class=\"line with\" d=\"",
                  Path(report.points, scale),
                  "\"/><path class=\"cursor\" d=\"\"/></svg>");
  return chart;
}

}  // namespace eplb
