#include "tools/report/rank_load_map.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace eplb {
namespace {

int PerLine(int count) {
  return (count + RankLoadMap::kMaxSide - 1) / RankLoadMap::kMaxSide;
}

std::string RangeName(absl::string_view name, int index, int per_line,
                      int count) {
  const int first = index * per_line;
  const int last = std::min(first + per_line, count) - 1;
  return first == last ? absl::StrCat(name, " ", first)
                       : absl::StrCat(name, "s ", first, " to ", last);
}

}  // namespace

std::string RankLoadMap::RowName(int row) const {
  return RangeName("layer", row, layers_per_row, num_layers);
}

std::string RankLoadMap::ColumnName(int column) const {
  return RangeName("rank", column, ranks_per_column, num_ranks);
}

RankLoadMap MakeRankLoadMap(int num_layers, int num_ranks,
                            absl::Span<const double> rank_loads) {
  RankLoadMap map{.num_layers = num_layers,
                  .num_ranks = num_ranks,
                  .layers_per_row = PerLine(num_layers),
                  .ranks_per_column = PerLine(num_ranks)};
  map.cells.resize(static_cast<size_t>(map.rows()) * map.columns());
  for (int layer = 0; layer < num_layers; ++layer) {
    const absl::Span<const double> loads =
        rank_loads.subspan(static_cast<size_t>(layer) * num_ranks, num_ranks);
    const double mean =
        std::accumulate(loads.begin(), loads.end(), 0.0) / num_ranks;
    if (mean == 0) continue;
    const size_t row =
        static_cast<size_t>(layer / map.layers_per_row) * map.columns();
    for (int rank = 0; rank < num_ranks; ++rank) {
      double& cell = map.cells[row + rank / map.ranks_per_column];
      cell = std::max(cell, loads[rank] / mean);
    }
  }
  return map;
}

}  // namespace eplb
