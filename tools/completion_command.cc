#include "tools/completion_command.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/command/bash_completion.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"

namespace eplb {

Command CompletionCommand(std::vector<Command> commands) {
  auto shell = std::make_shared<std::string>();
  Command command = {
      .name = "completion",
      .summary = "prints a script that completes commands in a shell",
      .description =
          "For this shell: source <(eplb completion bash). For every shell to\n"
          "come, put the script where its first lines say.",
      .examples = {"bash"},
      .arguments = {{"SHELL", "bash", shell.get(), {"bash"}}},
      .flags = {},
      .run = nullptr};
  commands.push_back(command);
  command.run = [shell, commands = std::move(commands)](CommandOutput& output) {
    if (*shell != "bash") {
      return absl::InvalidArgumentError(absl::StrCat(
          "completion: '", *shell, "' is no shell that is known; bash is"));
    }
    output.Print(BashCompletion(commands));
    return absl::OkStatus();
  };
  return command;
}

}  // namespace eplb
