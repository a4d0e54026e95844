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
