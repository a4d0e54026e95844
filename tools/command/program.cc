#include "tools/command/program.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"
#include "tools/command/nearest_name.h"
#include "tools/command/text_table.h"

namespace eplb {
namespace {

absl::StatusOr<const Command*> FindCommand(const std::vector<Command>& commands,
                                           const std::string& name) {
  std::vector<std::string> names = {"help"};
  for (const Command& command : commands) {
    if (command.name == name) return &command;
    names.push_back(command.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown command '", name, "'", DidYouMean(name, names),
                   " ('eplb help' lists the commands)"));
}

bool AsksForHelp(const std::string& word) {
  return word == "--help" || word == "-h";
}

absl::Status Help(const std::vector<Command>& commands,
                  absl::Span<const std::string> words, CommandOutput& output) {
  if (words.empty()) {
    output.Print(ProgramHelp(commands));
    return absl::OkStatus();
  }
  if (words.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unexpected argument '", words[1], "'; help is about one command"));
  }
  EPLB_ASSIGN_OR_RETURN(const Command* command,
                        FindCommand(commands, words[0]));
  output.Print(CommandHelp(*command));
  return absl::OkStatus();
}

}  // namespace

std::string ProgramHelp(const std::vector<Command>& commands) {
  TextTable table({{.title = "", .left = true}, {.title = "", .left = true}});
  for (const Command& command : commands) {
    table.AddRow({absl::StrCat("  ", command.name), command.summary});
  }
  table.AddRow({"  help", "says more: eplb help COMMAND"});
  return absl::StrCat(
      "eplb balances mixture-of-experts models over ranks.\n\n"
      "usage: eplb COMMAND [--name=value]...\n\n",
      table.ToString(/*color=*/false));
}

std::string CommandHelp(const Command& command) {
  std::string help = absl::StrCat("usage: ", command.Usage(), "\n\n",
                                  command.description, "\n");
  TextTable table({{.title = "", .left = true}, {.title = "", .left = true}});
  for (const Argument& argument : command.arguments) {
    table.AddRow({absl::StrCat("  ", argument.name), argument.help});
  }
  for (const Flag& flag : command.flags) {
    const std::string note = flag.required ? " (required)"
                             : flag.default_value.empty()
                                 ? ""
                                 : absl::StrCat(" (", flag.default_value, ")");
    table.AddRow(
        {absl::StrCat("  ", flag.Form()), absl::StrCat(flag.help, note)});
  }
  absl::StrAppend(&help, "\n", table.ToString(/*color=*/false));
  if (!command.examples.empty()) {
    help += "\nexamples, from the root of a clone:\n";
  }
  for (const std::string& example : command.examples) {
    absl::StrAppend(&help, "  eplb ", command.name, " ", example, "\n");
  }
  return help;
}

absl::Status RunProgram(const std::vector<Command>& commands,
                        absl::Span<const std::string> words,
                        CommandOutput& output) {
  if (words.empty()) {
    return absl::InvalidArgumentError(
        "no command is given ('eplb help' lists the commands)");
  }
  const std::string& name = words[0];
  const absl::Span<const std::string> rest = words.subspan(1);
  if (name == "help" || AsksForHelp(name)) return Help(commands, rest, output);
  EPLB_ASSIGN_OR_RETURN(const Command* command, FindCommand(commands, name));
  if (std::any_of(rest.begin(), rest.end(), AsksForHelp)) {
    return Help(commands, {name}, output);
  }
  EPLB_RETURN_IF_ERROR(ParseWords(*command, rest));
  return command->run(output);
}

}  // namespace eplb
