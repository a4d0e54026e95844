// What `eplb inspect` says about recorded loads and load dumps.

#ifndef EPLB_TOOLS_INSPECT_LOADS_H_
#define EPLB_TOOLS_INSPECT_LOADS_H_

#include <string>

#include "absl/status/status.h"
#include "tools/command/command_output.h"
#include "tools/output_format.h"

namespace eplb {

absl::Status InspectLoads(const std::string& name, const OutputFormat& format,
                          CommandOutput& output);

}  // namespace eplb

#endif  // EPLB_TOOLS_INSPECT_LOADS_H_
