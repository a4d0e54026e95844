// How a command's failure is told: one line, and the status of the process.

#ifndef EPLB_TOOLS_COMMAND_EXIT_STATUS_H_
#define EPLB_TOOLS_COMMAND_EXIT_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

enum ExitStatus {
  kExitDone = 0,
  kExitBug = 1,
  kExitBadInput = 2,  // Wrong usage, or a file that cannot be used.
  kExitLostPeer = 3,  // A peer was lost or late, or ranks disagreed.
};

ExitStatus ExitStatusOf(const absl::Status& status);

// "eplb: INVALID_ARGUMENT: loads.npy: layer 3, expert 17: negative load -4".
std::string ErrorLine(const absl::Status& status);

// `text` without line breaks and control characters: these may come from a
// hostile file, and would otherwise reach the reader's terminal.
std::string OneLine(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_EXIT_STATUS_H_
