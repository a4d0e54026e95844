#include "tools/command/text_table.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

std::string Line(const std::vector<std::string>& cells,
                 const std::vector<TextColumn>& columns,
                 const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths[i] - cells[i].size(), ' ');
    const bool left = columns[i].left;
    absl::StrAppend(&line, i == 0 ? "" : "  ", left ? "" : padding, cells[i],
                    left ? padding : "");
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string TextTable::ToString(bool color) const {
  std::vector<std::string> titles;
  for (const TextColumn& column : columns_) titles.push_back(column.title);
  std::vector<size_t> widths(columns_.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], cells[i].size());
    }
  };
  widen(titles);
  for (const std::vector<std::string>& row : rows_) widen(row);
  std::string text;
  const std::string title_line = Line(titles, columns_, widths);
  if (!title_line.empty()) {
    absl::StrAppend(&text, color ? "\x1b[1m" : "", title_line,
                    color ? "\x1b[0m" : "", "\n");
  }
  for (const std::vector<std::string>& row : rows_) {
    absl::StrAppend(&text, Line(row, columns_, widths), "\n");
  }
  return text;
}

}  // namespace eplb
