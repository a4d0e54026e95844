#include "tools/command/command.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "tools/command/flag.h"
#include "tools/command/nearest_name.h"

namespace eplb {
namespace {

std::string FlagUsage(const Flag& flag) {
  return flag.required ? flag.Form() : absl::StrCat("[", flag.Form(), "]");
}

absl::Status UnknownFlag(const Command& command, absl::string_view name) {
  std::vector<std::string> names;
  for (const Flag& flag : command.flags) names.push_back(flag.name);
  return absl::InvalidArgumentError(
      absl::StrCat("unknown flag --", name, DidYouMean(name, names, "--"),
                   " ('eplb help ", command.name, "' lists the flags)"));
}

absl::Status SetFlag(const Command& command, absl::string_view word,
                     std::set<std::string>& seen) {
  if (!absl::ConsumePrefix(&word, "--")) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", word, "': flags are written --name=value"));
  }
  const size_t equals = word.find('=');
  const std::string name(word.substr(0, equals));
  const auto flag =
      std::find_if(command.flags.begin(), command.flags.end(),
                   [&](const Flag& flag) { return flag.name == name; });
  if (flag == command.flags.end()) return UnknownFlag(command, name);
  const bool bare = equals == absl::string_view::npos;
  if (bare && flag->bare_value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", name, " has no value; write --", name, "=", flag->value_name));
  }
  if (!seen.insert(name).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " is given twice"));
  }
  return flag->Set(bare ? absl::string_view(flag->bare_value)
                        : word.substr(equals + 1));
}

}  // namespace

std::string Command::Usage() const {
  std::string usage = absl::StrCat("eplb ", name);
  for (const Argument& argument : arguments) {
    absl::StrAppend(&usage, " ", argument.name);
  }
  for (const Flag& flag : flags) absl::StrAppend(&usage, " ", FlagUsage(flag));
  return usage;
}

absl::Status ParseWords(const Command& command,
                        absl::Span<const std::string> words) {
  std::set<std::string> seen;
  size_t num_arguments = 0;
  for (const std::string& word : words) {
    if (word.size() > 1 && absl::StartsWith(word, "-")) {
      EPLB_RETURN_IF_ERROR(SetFlag(command, word, seen));
      continue;
    }
    if (num_arguments == command.arguments.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", word, "'; '", command.name,
                       "' takes ", num_arguments == 0 ? "only flags" : "one"));
    }
    *command.arguments[num_arguments++].target = word;
  }
  if (num_arguments < command.arguments.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(command.name, ": ", command.arguments[num_arguments].name,
                     " is missing: ", command.arguments[num_arguments].help));
  }
  for (const Flag& flag : command.flags) {
    if (flag.required && seen.count(flag.name) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(command.name, ": --", flag.name, "=", flag.value_name,
                       " is missing: ", flag.help));
    }
  }
  return absl::OkStatus();
}

}  // namespace eplb
