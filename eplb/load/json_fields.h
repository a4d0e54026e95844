// JsonFields: takes chosen fields out of a JSON object from outside.
//
//   std::optional<int64_t> num_ranks;
//   std::optional<JsonTable> map;
//   JsonFields fields;
//   fields.Integer("num_ranks", num_ranks);
//   fields.Table("physical_to_logical_map", {.axes = {"layer", "slot"}}, map);
//   EPLB_RETURN_IF_ERROR(fields.Parse(text));
//
// Fields that were not asked for are skipped. A field that is missing leaves
// its value empty.

#ifndef EPLB_LOAD_JSON_FIELDS_H_
#define EPLB_LOAD_JSON_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eplb/load/json_table.h"

namespace eplb {

// Numbers of one object of an array, in the order of the names asked for.
using JsonRecord = std::vector<std::optional<double>>;

// Nothing of the text is believed: nesting, names and values are limited, and
// a name that an object has twice is an error. Memory grows with the fields
// asked for, not with what is skipped; records are limited as well, since one
// takes far more memory than its text. Thread-compatible.
class JsonFields {
 public:
  static constexpr size_t kMaxDepth = 16;
  static constexpr size_t kMaxNamesPerObject = 1024;
  static constexpr size_t kMaxRecords = size_t{1} << 16;

  // The values are borrowed until Parse has returned.
  void Integer(absl::string_view name, std::optional<int64_t>& value);
  void String(absl::string_view name, std::optional<std::string>& value);
  // An empty name asks for the document itself: a bare array.
  void Table(absl::string_view name, JsonTableRule rule,
             std::optional<JsonTable>& value);
  // An array of objects, of which the named numbers are taken.
  void Records(absl::string_view name,
               std::vector<absl::string_view> number_names,
               std::optional<std::vector<JsonRecord>>& value);

  // InvalidArgument, naming line and column where `text` is not JSON, else the
  // field. `cut_short`, when given, tells whether the text ends too early.
  absl::Status Parse(absl::string_view text, bool* cut_short = nullptr);

  struct TableTarget {
    JsonTableRule rule;
    std::optional<JsonTable>* value;
  };
  struct RecordsTarget {
    std::vector<absl::string_view> number_names;
    std::optional<std::vector<JsonRecord>>* value;
  };
  struct Field {
    std::string name;
    std::variant<std::optional<int64_t>*, std::optional<std::string>*,
                 TableTarget, RecordsTarget>
        target;
  };

 private:
  std::vector<Field> fields_;
};

}  // namespace eplb

#endif  // EPLB_LOAD_JSON_FIELDS_H_
