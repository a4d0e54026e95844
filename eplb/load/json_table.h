// JsonTable: a rectangle of whole numbers that a JSON file writes as nested
// arrays, put together as a parser meets them.
//
//   JsonTableBuilder builder({.axes = {"layer", "slot"}});
//   // For [[5, 6]]: OpenArray, OpenArray, Add, Add, CloseArray, CloseArray.
//   JsonTable table = builder.Take();

#ifndef EPLB_LOAD_JSON_TABLE_H_
#define EPLB_LOAD_JSON_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eplb {

// A number as JSON writes it: without a fraction the unsigned or, when it is
// negative, the signed one.
using JsonNumber = std::variant<int64_t, uint64_t, double>;

struct JsonTable {
  // Outermost first.
  std::vector<int64_t> extents;
  // Row-major.
  std::vector<int64_t> values;

  friend bool operator==(const JsonTable&, const JsonTable&) = default;
};

struct JsonTableRule {
  // What the axes count, outermost first: errors name places by them.
  std::vector<absl::string_view> axes;
  // The outermost axes beyond this number may be left out.
  size_t min_axes = 2;
  // Loads (see load_value.h), fractions included; else only int32 numbers.
  bool of_loads = false;
};

// Thread-compatible. After an error it is not used any more.
class JsonTableBuilder {
 public:
  // No table has more values.
  static constexpr size_t kMaxValues = size_t{1} << 28;

  explicit JsonTableBuilder(JsonTableRule rule) : rule_(std::move(rule)) {}

  // InvalidArgument, naming the place, for rows of different length, empty
  // ones, too few or many axes, and values that the rule does not allow.
  absl::Status OpenArray();
  absl::Status CloseArray();
  absl::Status Add(const JsonNumber& number);

  // The error for something that is neither number nor array.
  absl::Status NotANumber() const;

  // Whether the outermost array is closed.
  bool complete() const { return complete_; }

  JsonTable Take() { return {std::move(extents_), std::move(values_)}; }

 private:
  size_t depth() const { return counts_.size(); }
  // "layer 3, slot 17": the entry that comes next.
  std::string Place() const;
  absl::Status ErrorHere(absl::string_view what) const;
  absl::Status FixAxes();

  JsonTableRule rule_;
  // The entries so far of each array that is open.
  std::vector<int64_t> counts_;
  // Of the axes, as far as known; -1 while the first row is open.
  std::vector<int64_t> extents_;
  std::vector<int64_t> values_;
  bool complete_ = false;
};

// The number as an integer in [min, max]; InvalidArgument, naming value and
// limit, for any other, and for one that is written with a fraction.
absl::StatusOr<int64_t> JsonInteger(const JsonNumber& number, int64_t min,
                                    int64_t max);

}  // namespace eplb

#endif  // EPLB_LOAD_JSON_TABLE_H_
