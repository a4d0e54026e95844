// The program made of commands: `eplb COMMAND ...`, `eplb help [COMMAND]`.
//
//   CommandOutput output(std::cerr, color);
//   absl::Status status = RunProgram(EplbCommands(), words, output);

#ifndef EPLB_TOOLS_COMMAND_PROGRAM_H_
#define EPLB_TOOLS_COMMAND_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"

namespace eplb {

// Runs the command that `words` (without the program's own name) begin with.
absl::Status RunProgram(const std::vector<Command>& commands,
                        absl::Span<const std::string> words,
                        CommandOutput& output);

// What `eplb help` and `eplb help COMMAND` print.
std::string ProgramHelp(const std::vector<Command>& commands);
std::string CommandHelp(const Command& command);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_PROGRAM_H_
