// Runs a program as a process of its own, for tests that look at it from
// outside.
//
//   ProgramResult result = RunProcess({"tools/eplb", "help"});
//   EXPECT_EQ(result.exit_status, 0);
//
//   StartedProcess server({"tools/eplb", "run"});
//   server.Signal(SIGINT);
//   result = server.Wait();

#ifndef EPLB_TESTING_RUN_PROGRAM_H_
#define EPLB_TESTING_RUN_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "testing/temporary_folder.h"

namespace eplb {

struct ProgramResult {
  // -1 when the process was ended by a signal.
  int exit_status = -1;
  std::string standard_output;
  std::string standard_error;
};

struct ProcessOptions {
  // Where standard output goes; empty to have it in the result.
  std::string output_file = {};
  // NAME=VALUE, beside those of this process.
  std::vector<std::string> environment = {};
};

// A program that runs beside the test, with no standard input. Killed, unless
// it has ended, with the object. Thread-compatible.
class StartedProcess {
 public:
  explicit StartedProcess(const std::vector<std::string>& words,
                          const ProcessOptions& options = {});
  StartedProcess(const StartedProcess&) = delete;
  StartedProcess& operator=(const StartedProcess&) = delete;
  ~StartedProcess();

  pid_t pid() const { return pid_; }
  void Signal(int signal_number) const;

  // Waits until it has ended; to be called once.
  ProgramResult Wait();

 private:
  const TemporaryFolder folder_;
  const bool returns_output_;
  pid_t pid_ = -1;  // -1 after the end.
};

// Waits until the program has ended.
ProgramResult RunProcess(const std::vector<std::string>& words,
                         const ProcessOptions& options = {});

}  // namespace eplb

#endif  // EPLB_TESTING_RUN_PROGRAM_H_
