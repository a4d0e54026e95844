// TextTable: rows of text in columns that line up.
//
//   TextTable table({{"layer"}, {"name", /*left=*/true}});
//   table.AddRow({"3", "gate"});
//   output.Print(table.ToString(output.color()));

#ifndef EPLB_TOOLS_COMMAND_TEXT_TABLE_H_
#define EPLB_TOOLS_COMMAND_TEXT_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace eplb {

struct TextColumn {
  std::string title;
  // Numbers line up on the right, words on the left.
  bool left = false;
};

// Thread-compatible.
class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns)
      : columns_(std::move(columns)) {}

  // One cell for each column.
  void AddRow(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
  }

  // Ends with a line break. The titles, bold in color, are left out when all
  // are empty.
  std::string ToString(bool color) const;

 private:
  std::vector<TextColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_TEXT_TABLE_H_
