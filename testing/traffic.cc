#include "testing/traffic.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status InvalidText(absl::string_view text, absl::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("traffic \"", text, "\": ", reason,
                   "; allowed are uniform, zipf:S and lognormal:SIGMA, each "
                   "optionally followed by ,drift=RHO"));
}

// What S, SIGMA and RHO are called in errors.
absl::string_view StrengthName(TrafficSkew skew) {
  return skew == TrafficSkew::kZipf ? "S" : "SIGMA";
}

// The number that is the whole of `text`.
absl::StatusOr<double> ParseNumber(absl::string_view name,
                                   absl::string_view text) {
  double number;
  const bool has_space =
      std::any_of(text.begin(), text.end(), absl::ascii_isspace);
  if (text.empty() || has_space || !absl::SimpleAtod(text, &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is \"", text, "\", not a number"));
  }
  return number;
}

absl::Status ParseSkew(absl::string_view text, TrafficSpec& spec) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  const absl::string_view name = parts[0];
  if (name == "uniform") {
    spec.skew = TrafficSkew::kUniform;
    if (parts.size() == 1) return absl::OkStatus();
    return absl::InvalidArgumentError("uniform takes no parameter");
  }
  if (name == "zipf") {
    spec.skew = TrafficSkew::kZipf;
  } else if (name == "lognormal") {
    spec.skew = TrafficSkew::kLognormal;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is no known kind"));
  }
  const absl::string_view parameter = StrengthName(spec.skew);
  if (parts.size() == 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " needs a parameter, as in ", name, ":1.0"));
  }
  EPLB_ASSIGN_OR_RETURN(spec.strength, ParseNumber(parameter, parts[1]));
  return absl::OkStatus();
}

absl::StatusOr<TrafficSpec> ParseParts(
    const std::vector<absl::string_view>& parts) {
  TrafficSpec spec;
  EPLB_RETURN_IF_ERROR(ParseSkew(parts[0], spec));
  if (parts.size() > 1) {
    absl::string_view drift = parts[1];
    if (!absl::ConsumePrefix(&drift, "drift=")) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", drift, "\" is not drift=RHO"));
    }
    EPLB_ASSIGN_OR_RETURN(spec.drift, ParseNumber("RHO", drift));
  }
  if (parts.size() > 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "nothing may follow the drift, but \"", parts[2], "\" does"));
  }
  EPLB_RETURN_IF_ERROR(spec.Validate());
  return spec;
}

}  // namespace

absl::Status TrafficSpec::Validate() const {
  // The negated comparisons refuse NaN as well.
  if (!(strength >= 0 && strength <= kMaxStrength)) {
    return absl::InvalidArgumentError(
        absl::StrCat(StrengthName(skew), " is ", strength,
                     "; it must be in [0, ", kMaxStrength, "]"));
  }
  if (!(drift >= 0 && drift <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("RHO is ", drift, "; it must be in [0, 1]"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TrafficSpec> ParseTrafficSpec(absl::string_view text) {
  absl::StatusOr<TrafficSpec> spec = ParseParts(absl::StrSplit(text, ','));
  if (!spec.ok()) return InvalidText(text, spec.status().message());
  return spec;
}

}  // namespace eplb
