// `eplb report`: a load dump as a page.

#ifndef EPLB_TOOLS_REPORT_COMMAND_H_
#define EPLB_TOOLS_REPORT_COMMAND_H_

#include "tools/command/command.h"

namespace eplb {

Command ReportCommand();

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_COMMAND_H_
