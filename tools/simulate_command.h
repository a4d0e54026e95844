// `eplb simulate`: what balancing would buy.

#ifndef EPLB_TOOLS_SIMULATE_COMMAND_H_
#define EPLB_TOOLS_SIMULATE_COMMAND_H_

#include "tools/command/command.h"

namespace eplb {

Command SimulateCommand();

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATE_COMMAND_H_
