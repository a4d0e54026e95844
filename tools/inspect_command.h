// `eplb inspect`: checks and summarises a file.

#ifndef EPLB_TOOLS_INSPECT_COMMAND_H_
#define EPLB_TOOLS_INSPECT_COMMAND_H_

#include "tools/command/command.h"

namespace eplb {

Command InspectCommand();

}  // namespace eplb

#endif  // EPLB_TOOLS_INSPECT_COMMAND_H_
