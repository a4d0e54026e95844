// Command: what the program can do under one name, declared as data.
//
//   Command GreetCommand() {
//     auto name = std::make_shared<std::string>("you");
//     return {.name = "greet",
//             .summary = "says hello",
//             .flags = {TextFlag("name", "NAME", "whom to greet", *name)},
//             .run = [name](CommandOutput& output) {
//               output.Print(absl::StrCat("hello ", *name, "\n"));
//               return absl::OkStatus();
//             }};
//   }

#ifndef EPLB_TOOLS_COMMAND_COMMAND_H_
#define EPLB_TOOLS_COMMAND_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"

namespace eplb {

// A value that is given by its place: the FILE of `eplb inspect FILE`.
struct Argument {
  std::string name;
  std::string help;
  // Owned by whoever owns the targets of the flags: what `run` holds.
  std::string* target = nullptr;
  // Values to offer where it is typed; there may be others.
  std::vector<std::string> suggestions = {};
};

struct Command {
  std::string name;
  // Half a sentence, for the list of commands.
  std::string summary;
  // Sentences, for the command's own help.
  std::string description;
  // Arguments that work as they stand from the root of a clone, those of all
  // commands in the order of the commands. A test runs them.
  std::vector<std::string> examples = {};
  // All must be given.
  std::vector<Argument> arguments = {};
  std::vector<Flag> flags = {};
  // Works with what flags and arguments were set to.
  std::function<absl::Status(CommandOutput&)> run;

  // "eplb plan --loads=FILE [--nodes=N]".
  std::string Usage() const;
};

// Sets the command's flags and arguments from the words after its name.
// InvalidArgument for words that are neither, and for what is missing.
absl::Status ParseWords(const Command& command,
                        absl::Span<const std::string> words);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_COMMAND_H_
