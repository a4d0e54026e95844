// `eplb completion bash`: a script that completes what is typed.

#ifndef EPLB_TOOLS_COMPLETION_COMMAND_H_
#define EPLB_TOOLS_COMPLETION_COMMAND_H_

#include <vector>

#include "tools/command/command.h"

namespace eplb {

// Completes `commands` and itself.
Command CompletionCommand(std::vector<Command> commands);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMPLETION_COMMAND_H_
