// `eplb plan`: a placement from recorded loads.

#ifndef EPLB_TOOLS_PLAN_COMMAND_H_
#define EPLB_TOOLS_PLAN_COMMAND_H_

#include "tools/command/command.h"

namespace eplb {

Command PlanCommand();

}  // namespace eplb

#endif  // EPLB_TOOLS_PLAN_COMMAND_H_
