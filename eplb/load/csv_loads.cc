#include "eplb/load/csv_loads.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_value.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {
namespace {

struct Row {
  int64_t layer = 0;
  int64_t expert = 0;
  int64_t load = 0;
  int64_t line = 0;
};

std::string Shown(absl::string_view text) {
  return absl::CHexEscape(text.substr(0, 40));
}

absl::StatusOr<int64_t> ParseId(absl::string_view name,
                                absl::string_view text) {
  int64_t id = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, id);
  if (error == std::errc() && rest == end && id >= 0 &&
      id < RecordedShape::kMaxEntries) {
    return id;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(name, " '", Shown(text), "' is not an integer in [0, ",
                   RecordedShape::kMaxEntries, ")"));
}

absl::StatusOr<Row> ParseRow(absl::string_view line) {
  const std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
  if (cells.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", Shown(line), "' has ", cells.size(),
                     " values; a line is ", kCsvLoadsHeader));
  }
  Row row;
  EPLB_ASSIGN_OR_RETURN(row.layer, ParseId("layer_id", cells[0]));
  EPLB_ASSIGN_OR_RETURN(row.expert, ParseId("expert_id", cells[1]));
  const absl::StatusOr<int64_t> load = LoadFromText(cells[2]);
  if (!load.ok()) {
    return WithPlace(absl::StrCat("layer ", row.layer, ", expert ", row.expert),
                     load.status());
  }
  row.load = *load;
  return row;
}

absl::StatusOr<std::vector<Row>> ParseRows(absl::string_view text) {
  std::vector<Row> rows;
  // Spreadsheets put a byte order mark in front.
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  // A line break ends the last line; it does not begin another.
  absl::ConsumeSuffix(&text, "\n");
  int64_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    const std::string place = absl::StrCat("line ", number);
    if (number == 1) {
      if (line == kCsvLoadsHeader) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": '", Shown(line), "' is not the header ", kCsvLoadsHeader));
    }
    absl::StatusOr<Row> row = ParseRow(line);
    if (!row.ok()) return WithPlace(place, row.status());
    row->line = number;
    rows.push_back(*row);
  }
  return rows;
}

// `rows` in order of layer, expert and line.
absl::Status RefuseRepeatedRows(const std::vector<Row>& rows) {
  for (size_t i = 1; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (rows[i - 1].layer == row.layer && rows[i - 1].expert == row.expert) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", row.line, ": layer ", row.layer, ", expert ", row.expert,
          " is there already, on line ", rows[i - 1].line));
    }
  }
  return absl::OkStatus();
}

// `rows` in order, none repeated.
absl::Status RefuseMissingRows(const std::vector<Row>& rows,
                               int64_t num_experts) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t layer = static_cast<int64_t>(i) / num_experts;
    const int64_t expert = static_cast<int64_t>(i) % num_experts;
    if (rows[i].layer != layer || rows[i].expert != expert) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layer ", layer, ", expert ", expert, " is missing: there are ",
          rows.back().layer + 1, " layers of ", num_experts, " experts"));
    }
  }
  if (rows.back().expert + 1 != num_experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layer ", rows.back().layer, ", expert ", rows.back().expert + 1,
        " is missing: the layers have ", num_experts, " experts"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecordedLoads> ParseCsvLoads(absl::string_view text) {
  EPLB_ASSIGN_OR_RETURN(std::vector<Row> rows, ParseRows(text));
  if (rows.empty()) {
    return absl::InvalidArgumentError("no line follows the header");
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.layer, a.expert, a.line) <
           std::tie(b.layer, b.expert, b.line);
  });
  EPLB_RETURN_IF_ERROR(RefuseRepeatedRows(rows));
  int64_t num_experts = 0;
  for (const Row& row : rows) {
    num_experts = std::max(num_experts, row.expert + 1);
  }
  EPLB_RETURN_IF_ERROR(RefuseMissingRows(rows, num_experts));
  std::vector<int64_t> loads;
  loads.reserve(rows.size());
  for (const Row& row : rows) loads.push_back(row.load);
  return RecordedLoads::Create(
      {.num_layers = rows.back().layer + 1, .num_logical_experts = num_experts},
      std::move(loads));
}

}  // namespace eplb
