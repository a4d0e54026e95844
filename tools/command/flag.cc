#include "tools/command/flag.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/command/nearest_name.h"

namespace eplb {
namespace {

// Reads all of `text` as a number in [min, max].
template <typename Number>
bool ParseNumber(absl::string_view text, Number min, Number max,
                 Number& number) {
  const char* const end = text.data() + text.size();
  Number value{};
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  // The comparisons are false for NaN.
  if (error != std::errc() || rest != end || !(value >= min && value <= max)) {
    return false;
  }
  number = value;
  return true;
}

std::string IntegerRule(int min, int max) {
  return absl::StrCat("an integer in [", min, ", ", max, "]");
}

}  // namespace

std::string Flag::Form() const {
  return bare_value.empty() ? absl::StrCat("--", name, "=", value_name)
                            : absl::StrCat("--", name);
}

absl::Status Flag::Set(absl::string_view value) const {
  const absl::Status status = store(value);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("--", name, "=", value, ": ",
                                                  status.message()));
}

Flag TextFlag(absl::string_view name, absl::string_view value_name,
              absl::string_view help, std::string& target) {
  return {.name = std::string(name),
          .value_name = std::string(value_name),
          .help = std::string(help),
          .default_value = target,
          .store = [&target](absl::string_view value) {
            if (value.empty()) {
              return absl::InvalidArgumentError("must not be empty");
            }
            target = std::string(value);
            return absl::OkStatus();
          }};
}

Flag ChoiceFlag(absl::string_view name, std::vector<std::string> choices,
                absl::string_view help, std::string& target) {
  return {
      .name = std::string(name),
      .value_name = absl::StrJoin(choices, "|"),
      .help = std::string(help),
      .default_value = target,
      .suggestions = choices,
      .store = [&target, choices](absl::string_view value) {
        if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
          return absl::InvalidArgumentError(
              absl::StrCat("must be one of ", absl::StrJoin(choices, ", "),
                           DidYouMean(value, choices)));
        }
        target = std::string(value);
        return absl::OkStatus();
      }};
}

Flag BooleanFlag(absl::string_view name, absl::string_view help, bool& target) {
  return {.name = std::string(name),
          .value_name = "true|false",
          .help = std::string(help),
          .default_value = target ? "true" : "false",
          .bare_value = "true",
          .suggestions = {"true", "false"},
          .store = [&target](absl::string_view value) {
            if (value != "true" && value != "false") {
              return absl::InvalidArgumentError("must be true or false");
            }
            target = value == "true";
            return absl::OkStatus();
          }};
}

Flag IntegerFlag(absl::string_view name, absl::string_view help, int min,
                 int max, int& target) {
  return {.name = std::string(name),
          .value_name = "N",
          .help = std::string(help),
          .default_value = absl::StrCat(target),
          .store = [&target, min, max](absl::string_view value) {
            if (ParseNumber(value, min, max, target)) return absl::OkStatus();
            return absl::InvalidArgumentError(
                absl::StrCat("must be ", IntegerRule(min, max)));
          }};
}

Flag NumberFlag(absl::string_view name, absl::string_view help, double above,
                double max, double& target) {
  return {.name = std::string(name),
          .value_name = "X",
          .help = std::string(help),
          .default_value = absl::StrCat(target),
          .store = [&target, above, max](absl::string_view value) {
            double number = 0;
            if (!ParseNumber(value, above, max, number) || number == above) {
              return absl::InvalidArgumentError(absl::StrCat(
                  "must be a number above ", above, " and at most ", max));
            }
            target = number;
            return absl::OkStatus();
          }};
}

Flag NumberFromFlag(absl::string_view name, absl::string_view help, double min,
                    double max, double& target) {
  return {.name = std::string(name),
          .value_name = "X",
          .help = std::string(help),
          .default_value = absl::StrCat(target),
          .store = [&target, min, max](absl::string_view value) {
            if (ParseNumber(value, min, max, target)) return absl::OkStatus();
            return absl::InvalidArgumentError(
                absl::StrCat("must be a number in [", min, ", ", max, "]"));
          }};
}

Flag DurationFlag(absl::string_view name, absl::string_view help,
                  std::chrono::milliseconds& target) {
  return {.name = std::string(name),
          .value_name = "TIME",
          .help = std::string(help),
          .default_value = absl::FormatDuration(absl::FromChrono(target)),
          .store = [&target](absl::string_view value) {
            absl::Duration duration;
            if (!absl::ParseDuration(value, &duration) ||
                duration < absl::Milliseconds(1) ||
                duration > absl::Hours(24)) {
              return absl::InvalidArgumentError(
                  "must be a time from 1ms to 24h, such as 30s");
            }
            target = absl::ToChronoMilliseconds(duration);
            return absl::OkStatus();
          }};
}

Flag IntegerListFlag(absl::string_view name, absl::string_view help, int min,
                     int max, std::vector<int>& target) {
  return {.name = std::string(name),
          .value_name = "N,N",
          .help = std::string(help),
          .default_value = absl::StrJoin(target, ","),
          .store = [&target, min, max](absl::string_view value) {
            std::vector<int> numbers;
            for (absl::string_view part : absl::StrSplit(value, ',')) {
              int number = 0;
              if (!ParseNumber(part, min, max, number)) {
                return absl::InvalidArgumentError(absl::StrCat(
                    "'", part, "' must be ", IntegerRule(min, max)));
              }
              if (std::find(numbers.begin(), numbers.end(), number) !=
                  numbers.end()) {
                return absl::InvalidArgumentError(
                    absl::StrCat(number, " is there twice"));
              }
              numbers.push_back(number);
            }
            target = std::move(numbers);
            return absl::OkStatus();
          }};
}

Flag TextListFlag(absl::string_view name, absl::string_view value_name,
                  absl::string_view help, std::vector<std::string>& target) {
  return {.name = std::string(name),
          .value_name = std::string(value_name),
          .help = std::string(help),
          .default_value = absl::StrJoin(target, ","),
          .store = [&target](absl::string_view value) {
            std::vector<std::string> words;
            for (absl::string_view part : absl::StrSplit(value, ',')) {
              std::string word(part);
              if (word.empty()) {
                return absl::InvalidArgumentError("an empty word in the list");
              }
              if (std::find(words.begin(), words.end(), word) != words.end()) {
                return absl::InvalidArgumentError(
                    absl::StrCat("'", word, "' is there twice"));
              }
              words.push_back(std::move(word));
            }
            target = std::move(words);
            return absl::OkStatus();
          }};
}

Flag Required(Flag flag) {
  flag.required = true;
  flag.default_value.clear();
  return flag;
}

}  // namespace eplb
