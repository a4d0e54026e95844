#include "tools/report/heat_map.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "tools/report/html.h"
#include "tools/report/rank_load_map.h"

namespace eplb {
namespace {

// Where the next colour begins.
// Fine near the mean: that is where a balanced group is.
constexpr double kClassBegins[] = {0.5, 0.75, 0.9, 0.97, 1.03,
                                   1.1, 1.25, 1.5, 2};

constexpr int kLeft = 34;
constexpr int kTop = 22;
// Small groups get larger cells, so that all maps are about as wide.
constexpr int kMapWidth = 640;
constexpr int kMapHeight = 520;

int ColorClass(double load_over_mean) {
  return static_cast<int>(std::upper_bound(std::begin(kClassBegins),
                                           std::end(kClassBegins),
                                           load_over_mean) -
                          std::begin(kClassBegins));
}

// Every how many rows or columns a number fits beside the cells.
int LabelDistance(int cell_size, int needed) {
  int distance = 1;
  while (distance * cell_size < needed) distance *= 2;
  return distance;
}

// The numbers of layers and ranks beside the cells.
std::string Labels(const RankLoadMap& map, int width, int height) {
  std::string labels = "<g class=\"axis\">";
  const int row_distance = LabelDistance(height, 14);
  for (int row = 0; row < map.rows(); row += row_distance) {
    absl::StrAppendFormat(
        &labels, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>",
        kLeft - 5, kTop + row * height + std::min(height, 14) / 2 + 4,
        row * map.layers_per_row);
  }
  const int column_distance = LabelDistance(width, 34);
  for (int column = 0; column < map.columns(); column += column_distance) {
    absl::StrAppendFormat(&labels, "<text x=\"%d\" y=\"%d\">%d</text>",
                          kLeft + column * width, kTop - 7,
                          column * map.ranks_per_column);
  }
  return labels + "</g>";
}

std::string Cells(const RankLoadMap& map, int width, int height) {
  // A gap between cells, while they are large enough to spare it.
  const int gap = width >= 6 && height >= 6 ? 1 : 0;
  std::string cells;
  for (int row = 0; row < map.rows(); ++row) {
    absl::StrAppendFormat(&cells, "<g transform=\"translate(%d,%d)\">", kLeft,
                          kTop + row * height);
    for (int column = 0; column < map.columns(); ++column) {
      const double value = map.cell(row, column);
      absl::StrAppendFormat(
          &cells,
          "<rect x=\"%d\" width=\"%d\" height=\"%d\" class=\"h%d\"><title>%s, "
          "%s: %.3f</title></rect>",
          column * width, width - gap, height - gap, ColorClass(value),
          map.RowName(row), map.ColumnName(column), value);
    }
    cells += "</g>";
  }
  return cells;
}

}  // namespace

std::string HeatMap(absl::string_view id, absl::string_view label,
                    const RankLoadMap& map) {
  const int width = std::clamp(kMapWidth / map.columns(), 5, 40);
  const int height = std::clamp(kMapHeight / map.rows(), 8, 22);
  const double largest = *std::max_element(map.cells.begin(), map.cells.end());
  return absl::StrFormat(
      "<svg class=\"heat\" id=\"%s\" viewBox=\"0 0 %d %d\" "
      "style=\"max-width:%dpx\" role=\"img\" "
      "aria-label=\"%s: %d layers by %d ranks; the busiest rank carries %.2f "
      "times the mean of its layer\" data-columns=\"%d\">%s%s</svg>",
      HtmlText(id), kLeft + map.columns() * width, kTop + map.rows() * height,
      (kLeft + map.columns() * width) * 3 / 2, HtmlText(label), map.num_layers,
      map.num_ranks, largest, map.columns(), Labels(map, width, height),
      Cells(map, width, height));
}

std::string HeatScale() {
  constexpr int kWidth = 44;
  std::string scale =
      "<svg class=\"scale\" viewBox=\"0 0 442 34\" role=\"img\" "
      "aria-label=\"Colours: blue for ranks below the mean load of their "
      "layer, grey for the mean, orange to red above it\">";
  for (int i = 0; i < 10; ++i) {
    absl::StrAppendFormat(&scale,
                          "<rect class=\"h%d\" x=\"%d\" width=\"%d\" "
                          "height=\"14\"/>",
                          i, i * kWidth, kWidth);
  }
  scale += "<g class=\"axis\">";
  for (int i = 1; i < 10; ++i) {
    absl::StrAppendFormat(
        &scale, "<text x=\"%d\" y=\"29\" text-anchor=\"middle\">%s</text>",
        i * kWidth, absl::StrCat(kClassBegins[i - 1]));
  }
  return scale + "</g></svg>";
}

}  // namespace eplb
