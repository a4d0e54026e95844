// Runs a program as a process of its own, for tests that look at it from
// outside.
//
//   ProgramResult result = RunProcess({"tools/eplb", "help"});
//   EXPECT_EQ(result.exit_status, 0);

#ifndef EPLB_TESTING_RUN_PROGRAM_H_
#define EPLB_TESTING_RUN_PROGRAM_H_

#include <string>
#include <vector>

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

// Waits until the program has ended. Its standard input is empty.
ProgramResult RunProcess(const std::vector<std::string>& words,
                         const ProcessOptions& options = {});

}  // namespace eplb

#endif  // EPLB_TESTING_RUN_PROGRAM_H_
