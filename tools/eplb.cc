// The `eplb` command.

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/file_error.h"
#include "glog/logging.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/exit_status.h"
#include "tools/command/program.h"
#include "tools/completion_command.h"
#include "tools/inspect_command.h"
#include "tools/plan_command.h"
#include "tools/report_command.h"
#include "tools/run/run_command.h"
#include "tools/simulate_command.h"

namespace eplb {
namespace {

std::vector<Command> EplbCommands() {
  std::vector<Command> commands = {RunCommand(), PlanCommand(),
                                   SimulateCommand(), InspectCommand(),
                                   ReportCommand()};
  commands.push_back(CompletionCommand(commands));
  return commands;
}

// `bazel run` starts programs in a folder of its own and says where its caller
// stands.
absl::Status GoToCallersFolder() {
  const char* const folder = getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr || chdir(folder) == 0) return absl::OkStatus();
  return FileError(folder, "work in", errno);
}

// Whether escape sequences do there what they are for.
bool IsTerminal(int descriptor) {
  const char* const terminal = getenv("TERM");
  return isatty(descriptor) &&
         (terminal == nullptr || absl::string_view(terminal) != "dumb");
}

absl::Status WriteResults(absl::string_view results) {
  while (!results.empty()) {
    const ssize_t count = write(STDOUT_FILENO, results.data(), results.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("standard output", "write", errno);
    results.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status Run(const std::vector<std::string>& words) {
  EPLB_RETURN_IF_ERROR(GoToCallersFolder());
  const bool color = IsTerminal(STDOUT_FILENO) && getenv("NO_COLOR") == nullptr;
  CommandOutput output(std::cerr, color, IsTerminal(STDERR_FILENO));
  absl::Status status = RunProgram(EplbCommands(), words, output);
  // There are some beside an error where only a file could not be written.
  status.Update(WriteResults(output.results()));
  return status;
}

// The sizes that files and flags may ask for are limited, but a machine may
// have less memory than that.
absl::Status RunWithinMemory(const std::vector<std::string>& words) {
  try {
    return Run(words);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory");
  }
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  // Standard output is for results alone.
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_WARNING;
  google::InitGoogleLogging(argv[0]);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const absl::Status status = eplb::RunWithinMemory(words);
  if (!status.ok()) std::cerr << eplb::ErrorLine(status) << std::endl;
  return eplb::ExitStatusOf(status);
}
