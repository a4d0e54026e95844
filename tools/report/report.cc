#include "tools/report/report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace eplb {

std::optional<double> MeanOfPoints(const std::vector<ReportPoint>& points,
                                   int64_t begin, int64_t end) {
  double sum = 0;
  int64_t count = 0;
  for (const ReportPoint& point : points) {
    if (point.step < begin || point.step >= end) continue;
    sum += point.balancedness;
    count += point.balancedness > 0;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

ReportTotals TotalsOf(const std::vector<ReportRearrangement>& rearrangements) {
  ReportTotals totals;
  double plan_seconds = 0;
  int64_t plans = 0;
  const auto add = [](std::optional<int64_t>& total,
                      const std::optional<int64_t>& more) {
    if (more) total = total.value_or(0) + *more;
  };
  for (const ReportRearrangement& rearrangement : rearrangements) {
    ++totals.rearrangements;
    add(totals.moved_slots, rearrangement.moved_slots);
    add(totals.moved_bytes, rearrangement.moved_bytes);
    plan_seconds += rearrangement.plan_seconds.value_or(0);
    plans += rearrangement.plan_seconds.has_value();
  }
  if (plans > 0) {
    totals.mean_plan_seconds = plan_seconds / static_cast<double>(plans);
  }
  return totals;
}

std::vector<ReportPoint> FoldPoints(const std::vector<ReportPoint>& points,
                                    int max_points) {
  const size_t size = (points.size() + max_points - 1) / max_points;
  if (size <= 1) return points;
  std::vector<ReportPoint> folded;
  for (size_t begin = 0; begin < points.size(); begin += size) {
    const size_t end = std::min(begin + size, points.size());
    double sum = 0;
    int count = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += points[i].balancedness;
      count += points[i].balancedness > 0;
    }
    folded.push_back({.step = points[begin].step,
                      .balancedness = count == 0 ? 0 : sum / count});
  }
  return folded;
}

}  // namespace eplb
