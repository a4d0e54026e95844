#include "eplb/load/json_table.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_value.h"

namespace eplb {
namespace {

constexpr int64_t kUnknown = -1;

std::string NumberText(const JsonNumber& number) {
  return std::visit([](auto value) { return absl::StrCat(value); }, number);
}

absl::StatusOr<int64_t> LoadFromNumber(const JsonNumber& number) {
  if (const double* fraction = std::get_if<double>(&number)) {
    return LoadFromDouble(*fraction);
  }
  EPLB_ASSIGN_OR_RETURN(const int64_t whole,
                        JsonInteger(number, std::numeric_limits<int64_t>::min(),
                                    std::numeric_limits<int64_t>::max()));
  return LoadFromInteger(whole);
}

}  // namespace

absl::StatusOr<int64_t> JsonInteger(const JsonNumber& number, int64_t min,
                                    int64_t max) {
  if (std::holds_alternative<double>(number)) {
    return absl::InvalidArgumentError(
        absl::StrCat(NumberText(number), " is not an integer"));
  }
  const uint64_t* const natural = std::get_if<uint64_t>(&number);
  const bool above_int64 =
      natural != nullptr &&
      *natural > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const int64_t value = natural != nullptr ? static_cast<int64_t>(*natural)
                                           : std::get<int64_t>(number);
  if (above_int64 || value < min || value > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(NumberText(number), " is not in [", min, ", ", max, "]"));
  }
  return value;
}

std::string JsonTableBuilder::Place() const {
  // Axes that may be left out are unknown until the first number.
  const size_t axes = extents_.empty() ? rule_.min_axes : extents_.size();
  const size_t skipped = rule_.axes.size() - axes;
  std::string place;
  for (size_t i = 0; i < depth() && i < axes; ++i) {
    absl::StrAppend(&place, i == 0 ? "" : ", ", rule_.axes[skipped + i], " ",
                    counts_[i]);
  }
  return place;
}

absl::Status JsonTableBuilder::ErrorHere(absl::string_view what) const {
  const absl::Status error = absl::InvalidArgumentError(what);
  return depth() == 0 ? error : WithPlace(Place(), error);
}

absl::Status JsonTableBuilder::NotANumber() const {
  return ErrorHere("neither a number nor an array of numbers");
}

absl::Status JsonTableBuilder::OpenArray() {
  const size_t most = extents_.empty() ? rule_.axes.size() : extents_.size();
  if (depth() == most) {
    return ErrorHere(absl::StrCat("an array inside ", most, " others"));
  }
  counts_.push_back(0);
  return absl::OkStatus();
}

absl::Status JsonTableBuilder::CloseArray() {
  const int64_t count = counts_.back();
  const size_t axis = depth() - 1;
  counts_.pop_back();
  if (count == 0) return ErrorHere("an empty array");
  int64_t& extent = extents_[axis];
  if (extent == kUnknown) extent = count;
  if (extent != count) {
    return ErrorHere(absl::StrCat(
        count, " ", rule_.axes[rule_.axes.size() - extents_.size() + axis],
        "s, but ", extent, " in the rows before"));
  }
  complete_ = depth() == 0;
  if (!complete_) ++counts_.back();
  return absl::OkStatus();
}

// The first number tells how many axes there are.
absl::Status JsonTableBuilder::FixAxes() {
  if (depth() < rule_.min_axes) {
    return absl::InvalidArgumentError(absl::StrCat(
        depth(), " nested arrays where there must be ", rule_.min_axes,
        rule_.min_axes < rule_.axes.size()
            ? absl::StrCat(" to ", rule_.axes.size())
            : ""));
  }
  extents_.assign(depth(), kUnknown);
  return absl::OkStatus();
}

absl::Status JsonTableBuilder::Add(const JsonNumber& number) {
  if (extents_.empty()) EPLB_RETURN_IF_ERROR(FixAxes());
  if (depth() != extents_.size()) {
    return ErrorHere("a number where there is an array in the rows before");
  }
  if (values_.size() == kMaxValues) {
    return ErrorHere(absl::StrCat("more than ", kMaxValues, " values"));
  }
  const absl::StatusOr<int64_t> value =
      rule_.of_loads ? LoadFromNumber(number)
                     : JsonInteger(number, std::numeric_limits<int32_t>::min(),
                                   std::numeric_limits<int32_t>::max());
  if (!value.ok()) return ErrorHere(value.status().message());
  values_.push_back(*value);
  ++counts_.back();
  return absl::OkStatus();
}

}  // namespace eplb
