// `eplb run`: the live balancer.

#ifndef EPLB_TOOLS_RUN_RUN_COMMAND_H_
#define EPLB_TOOLS_RUN_RUN_COMMAND_H_

#include "tools/command/command.h"

namespace eplb {

Command RunCommand();

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_COMMAND_H_
