#include "testing/run_program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "testing/temporary_folder.h"

namespace eplb {
namespace {

// In the new process: opens `name` as `descriptor`.
void Redirect(const std::string& name, int flags, int descriptor) {
  const int opened = open(name.c_str(), flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) _exit(127);
}

}  // namespace

ProgramResult RunProcess(const std::vector<std::string>& words,
                         const ProcessOptions& options) {
  const TemporaryFolder folder;
  const std::string output = options.output_file.empty()
                                 ? folder.Write("output", "")
                                 : options.output_file;
  const std::string error = folder.Write("error", "");
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t process = fork();
  if (process == 0) {
    Redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    Redirect(output, O_WRONLY, STDOUT_FILENO);
    Redirect(error, O_WRONLY, STDERR_FILENO);
    for (const std::string& variable : options.environment) {
      putenv(const_cast<char*>(variable.c_str()));
    }
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ProgramResult result;
  int status = 0;
  if (process > 0 && waitpid(process, &status, 0) == process &&
      WIFEXITED(status)) {
    result.exit_status = WEXITSTATUS(status);
  }
  if (options.output_file.empty()) {
    result.standard_output = folder.Read("output");
  }
  result.standard_error = folder.Read("error");
  return result;
}

}  // namespace eplb
