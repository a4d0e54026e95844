#include "eplb/load/load_value.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"

namespace eplb {
namespace {

template <typename Value>
absl::Status RangeError(Value value) {
  if (value < 0) {
    return absl::InvalidArgumentError(absl::StrCat("negative load ", value));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("load ", value, " is more than ", ExpertLoads::kMaxLoad));
}

}  // namespace

absl::StatusOr<int64_t> LoadFromInteger(int64_t value) {
  if (!IsLoad(value)) return RangeError(value);
  return value;
}

absl::StatusOr<int64_t> LoadFromDouble(double value) {
  if (!std::isfinite(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("load ", value, " is not a finite number"));
  }
  if (!IsLoad(value)) return RangeError(value);
  return static_cast<int64_t>(std::round(value));
}

absl::StatusOr<int64_t> LoadFromText(absl::string_view text) {
  const char* const end = text.data() + text.size();
  int64_t whole = 0;
  auto [whole_end, whole_error] = std::from_chars(text.data(), end, whole);
  if (whole_error == std::errc() && whole_end == end) {
    return LoadFromInteger(whole);
  }
  double value = 0;
  auto [value_end, value_error] = std::from_chars(text.data(), end, value);
  if (value_end != end || value_error == std::errc::invalid_argument) {
    return absl::InvalidArgumentError(
        absl::StrCat("load '", text.substr(0, 40), "' is not a number"));
  }
  if (value_error != std::errc()) {
    return absl::InvalidArgumentError(absl::StrCat("load ", text.substr(0, 40),
                                                   " is not in [0, ",
                                                   ExpertLoads::kMaxLoad, "]"));
  }
  return LoadFromDouble(value);
}

}  // namespace eplb
