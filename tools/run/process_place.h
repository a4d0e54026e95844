// ProcessPlace: which rank of which job a process is, from its flags or from
// what started it.
//
//   EPLB_ASSIGN_OR_RETURN(ProcessPlace place,
//                         FindProcessPlace({}, [](const char* name) {
//                           return getenv(name);
//                         }));
//
// Open MPI's mpirun, Slurm's srun and torchrun say it in the environment.

#ifndef EPLB_TOOLS_RUN_PROCESS_PLACE_H_
#define EPLB_TOOLS_RUN_PROCESS_PLACE_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace eplb {

// The value of a variable of the environment, or null.
using Environment = std::function<const char*(const char* name)>;

// What flags say; -1 and empty where they do not.
struct ProcessFlags {
  int rank = -1;
  int world_size = -1;
  std::string job_id = {};
};

struct ProcessPlace {
  int rank = 0;
  int world_size = 1;
  // Letters, digits, '.', '-' and '_'. Different from job to job where a
  // launcher started it.
  std::string job_id = {};
  // "Open MPI", "Slurm", "torchrun"; empty when flags say it.
  std::string launcher = {};
  // Known to be: all processes are on this machine.
  bool on_one_machine = false;
};

// Flags go before the environment, and Open MPI before Slurm before torchrun,
// since each may run inside of the next. InvalidArgument, naming flag or
// variable and value, unless 0 <= rank < size, and when nothing says them.
absl::StatusOr<ProcessPlace> FindProcessPlace(const ProcessFlags& flags,
                                              const Environment& environment);

// The launcher that started this process as one of several; empty when none.
std::string LauncherOf(const Environment& environment);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_PROCESS_PLACE_H_
