#include "testing/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
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

StartedProcess::StartedProcess(const std::vector<std::string>& words,
                               const ProcessOptions& options)
    : returns_output_(options.output_file.empty()) {
  const std::string output =
      returns_output_ ? folder_.Write("output", "") : options.output_file;
  const std::string error = folder_.Write("error", "");
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  Redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  Redirect(output, O_WRONLY, STDOUT_FILENO);
  Redirect(error, O_WRONLY, STDERR_FILENO);
  for (const std::string& variable : options.environment) {
    putenv(const_cast<char*>(variable.c_str()));
  }
  execv(arguments[0], arguments.data());
  _exit(127);
}

StartedProcess::~StartedProcess() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void StartedProcess::Signal(int signal_number) const {
  kill(pid_, signal_number);
}

ProgramResult StartedProcess::Wait() {
  ProgramResult result;
  int status = 0;
  if (pid_ > 0 && waitpid(pid_, &status, 0) == pid_ && WIFEXITED(status)) {
    result.exit_status = WEXITSTATUS(status);
  }
  pid_ = -1;
  if (returns_output_) result.standard_output = folder_.Read("output");
  result.standard_error = folder_.Read("error");
  return result;
}

ProgramResult RunProcess(const std::vector<std::string>& words,
                         const ProcessOptions& options) {
  return StartedProcess(words, options).Wait();
}

}  // namespace eplb
