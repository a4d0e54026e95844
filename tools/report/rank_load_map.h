// RankLoadMap: how much more than the mean each rank of each layer carried.
//
//   RankLoadMap map = MakeRankLoadMap(/*num_layers=*/58, /*num_ranks=*/64,
//                                     rank_loads);
//   map.cell(3, 17);  // 1.83: of layer 3, rank 17

#ifndef EPLB_TOOLS_REPORT_RANK_LOAD_MAP_H_
#define EPLB_TOOLS_REPORT_RANK_LOAD_MAP_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Rows are layers and columns are ranks; where there are many, a few
// consecutive ones share a row or column, which has the largest of them.
struct RankLoadMap {
  // A map of more rows or columns would be too fine to read.
  static constexpr int kMaxSide = 128;

  int num_layers = 0;
  int num_ranks = 0;
  int layers_per_row = 1;
  int ranks_per_column = 1;
  // [rows, columns] row-major: rank load over the layer's mean rank load; 0
  // without load.
  std::vector<double> cells = {};

  int rows() const {
    return (num_layers + layers_per_row - 1) / layers_per_row;
  }
  int columns() const {
    return (num_ranks + ranks_per_column - 1) / ranks_per_column;
  }
  double cell(int row, int column) const {
    return cells[static_cast<size_t>(row) * columns() + column];
  }

  // "layer 3" or "layers 4 to 7".
  std::string RowName(int row) const;
  // "rank 17" or "ranks 16 to 23".
  std::string ColumnName(int column) const;
};

// `rank_loads` is [layers, ranks] row-major.
RankLoadMap MakeRankLoadMap(int num_layers, int num_ranks,
                            absl::Span<const double> rank_loads);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_RANK_LOAD_MAP_H_
