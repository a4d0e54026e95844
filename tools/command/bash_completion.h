// BashCompletion: a script that completes commands, flags and values in bash.
//
//   source <(eplb completion bash)

#ifndef EPLB_TOOLS_COMMAND_BASH_COMPLETION_H_
#define EPLB_TOOLS_COMMAND_BASH_COMPLETION_H_

#include <string>
#include <vector>

#include "tools/command/command.h"

namespace eplb {

// Offers the names of `commands` and help, their flags, the suggestions of
// flags and arguments, and files where these stand for one. Needs nothing but
// bash 4.
std::string BashCompletion(const std::vector<Command>& commands);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_BASH_COMPLETION_H_
