#include "tools/command/bash_completion.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tools/command/command.h"
#include "tools/command/flag.h"

namespace eplb {
namespace {

constexpr absl::string_view kHeader =
    R"bash(# Completes eplb in bash. For this shell:
#   source <(eplb completion bash)
# For every shell to come:
#   eplb completion bash >~/.local/share/bash-completion/completions/eplb

)bash";

constexpr absl::string_view kFunction = R"bash(
# _eplb_reply WHAT WORD KEPT: completes WORD from what a table said: words, a
# LIST of words with commas between, the name of a FILE or of a DIR. KEPT goes
# before each.
_eplb_reply() {
  local what=$1 word=$2 kept=$3
  case $what in
    FILE | DIR)
      local kind=-f
      [[ $what == DIR ]] && kind=-d
      mapfile -t COMPREPLY < <(compgen $kind -P "$kept" -- "$word")
      compopt -o filenames 2>/dev/null || true
      return
      ;;
    "LIST "*)
      what=${what#LIST }
      kept+=${word%"${word##*,}"}
      word=${word##*,}
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$what" -P "$kept" -- "$word")
}

_eplb() {
  local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
  local before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _eplb_reply "$(_eplb_commands)" "$word" ""
  elif [[ $word == --*=* ]]; then
    # Where = breaks no words.
    _eplb_reply "$(_eplb_values "$command" "${word%%=*}")" "${word#*=}" \
      "${word%%=*}="
  elif [[ $word == = ]]; then
    _eplb_reply "$(_eplb_values "$command" "$before")" "" ""
  elif [[ $before == = ]]; then
    _eplb_reply \
      "$(_eplb_values "$command" "${COMP_WORDS[COMP_CWORD - 2]}")" "$word" ""
  elif [[ $word == -* ]]; then
    _eplb_reply "$(_eplb_flags "$command")" "$word" ""
    if [[ ${COMPREPLY[0]-} == *= ]]; then
      compopt -o nospace 2>/dev/null || true
    fi
  else
    _eplb_reply "$(_eplb_arguments "$command")" "$word" ""
  fi
}

complete -F _eplb eplb
)bash";

// A function that prints one of several texts.
std::string Table(absl::string_view name, absl::string_view key,
                  const std::vector<std::string>& cases) {
  return absl::StrCat(name, "() {\n  case ", key, " in\n",
                      absl::StrJoin(cases, ""), "  esac\n}\n");
}

std::string Case(absl::string_view pattern, absl::string_view text) {
  return absl::StrCat("    \"", pattern, "\") echo \"", text, "\" ;;\n");
}

// What is offered where the help says `value_name`; may be nothing.
std::string Offer(absl::string_view value_name,
                  const std::vector<std::string>& suggestions) {
  if (!suggestions.empty()) {
    return absl::StrCat(absl::StrContains(value_name, ',') ? "LIST " : "",
                        absl::StrJoin(suggestions, " "));
  }
  return value_name == "FILE" || value_name == "DIR" ? std::string(value_name)
                                                     : "";
}

}  // namespace

std::string BashCompletion(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  std::vector<std::string> flag_cases;
  std::vector<std::string> value_cases;
  std::vector<std::string> argument_cases;
  for (const Command& command : commands) {
    names.push_back(command.name);
    std::vector<std::string> flags;
    for (const Flag& flag : command.flags) {
      flags.push_back(
          absl::StrCat("--", flag.name, flag.bare_value.empty() ? "=" : ""));
      const std::string offer = Offer(flag.value_name, flag.suggestions);
      if (offer.empty()) continue;
      value_cases.push_back(
          Case(absl::StrCat(command.name, " --", flag.name), offer));
    }
    flag_cases.push_back(Case(command.name, absl::StrJoin(flags, " ")));
    for (const Argument& argument : command.arguments) {
      argument_cases.push_back(
          Case(command.name, Offer(argument.name, argument.suggestions)));
    }
  }
  argument_cases.push_back(Case("help", absl::StrJoin(names, " ")));
  names.push_back("help");
  return absl::StrCat(
      kHeader, "_eplb_commands() {\n  echo \"", absl::StrJoin(names, " "),
      "\"\n}\n", Table("_eplb_flags", "$1", flag_cases),
      Table("_eplb_values", "\"$1 $2\"", value_cases),
      Table("_eplb_arguments", "$1", argument_cases), kFunction);
}

}  // namespace eplb
