#include "tools/run/process_place.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// What a launcher calls what it says. Names that it does not have are empty.
struct Launcher {
  const char* name;
  const char* rank;
  const char* size;
  // Tasks of this machine, or machines of the job.
  const char* local_size;
  const char* num_machines;
  // Together these are different from job to job.
  const char* job[2];
};

// Slurm sets SLURM_PROCID in a batch script too; SLURM_STEP_NUM_TASKS only for
// what srun starts.
constexpr Launcher kLaunchers[] = {
    {"Open MPI",
     "OMPI_COMM_WORLD_RANK",
     "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_SIZE",
     "",
     {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}},
    {"Slurm",
     "SLURM_PROCID",
     "SLURM_STEP_NUM_TASKS",
     "",
     "SLURM_STEP_NUM_NODES",
     {"SLURM_JOB_ID", "SLURM_STEP_ID"}},
    {"torchrun",
     "RANK",
     "WORLD_SIZE",
     "LOCAL_WORLD_SIZE",
     "",
     {"TORCHELASTIC_RUN_ID", "MASTER_PORT"}},
};

absl::string_view ValueOf(const Environment& environment, const char* name) {
  const char* const value = *name == '\0' ? nullptr : environment(name);
  return value == nullptr ? "" : value;
}

const Launcher* FindLauncher(const Environment& environment) {
  for (const Launcher& launcher : kLaunchers) {
    if (!ValueOf(environment, launcher.rank).empty() &&
        !ValueOf(environment, launcher.size).empty()) {
      return &launcher;
    }
  }
  return nullptr;
}

absl::StatusOr<int> Number(const Environment& environment, const char* name,
                           int min) {
  const absl::string_view text = ValueOf(environment, name);
  int number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < min) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, "=", text, ": must be an integer of at least ", min));
  }
  return number;
}

// A name of the store's characters that holds the launcher's.
std::string JobIdOf(const Launcher& launcher, const Environment& environment) {
  std::string id;
  for (const char* const name : launcher.job) {
    const absl::string_view part = ValueOf(environment, name);
    if (part.empty()) continue;
    absl::StrAppend(&id, id.empty() ? "" : "-", part);
  }
  for (char& c : id) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') c = '_';
  }
  return id.empty() ? "run" : id;
}

absl::StatusOr<ProcessPlace> PlaceByLauncher(const Launcher& launcher,
                                             const Environment& environment) {
  ProcessPlace place{.launcher = launcher.name};
  EPLB_ASSIGN_OR_RETURN(place.rank, Number(environment, launcher.rank, 0));
  EPLB_ASSIGN_OR_RETURN(place.world_size,
                        Number(environment, launcher.size, 1));
  if (place.rank >= place.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(launcher.rank, "=", place.rank, ": must be below ",
                     launcher.size, "=", place.world_size));
  }
  place.job_id = JobIdOf(launcher, environment);
  place.on_one_machine = ValueOf(environment, launcher.local_size) ==
                             ValueOf(environment, launcher.size) ||
                         ValueOf(environment, launcher.num_machines) == "1";
  return place;
}

absl::StatusOr<ProcessPlace> PlaceByFlags(const ProcessFlags& flags) {
  if (flags.rank < 0 || flags.world_size < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.rank < 0 ? "--world_size" : "--rank", " is given without ",
        flags.rank < 0 ? "--rank" : "--world_size"));
  }
  if (flags.rank >= flags.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("--rank=", flags.rank,
                     ": must be below --world_size=", flags.world_size));
  }
  return ProcessPlace{
      .rank = flags.rank, .world_size = flags.world_size, .job_id = "run"};
}

}  // namespace

std::string LauncherOf(const Environment& environment) {
  const Launcher* const launcher = FindLauncher(environment);
  return launcher == nullptr ||
                 ValueOf(environment, launcher->size) == absl::string_view("1")
             ? ""
             : launcher->name;
}

absl::StatusOr<ProcessPlace> FindProcessPlace(const ProcessFlags& flags,
                                              const Environment& environment) {
  const bool by_flags = flags.rank >= 0 || flags.world_size >= 0;
  const Launcher* const launcher =
      by_flags ? nullptr : FindLauncher(environment);
  if (!by_flags && launcher == nullptr) {
    return absl::InvalidArgumentError(
        "--backend=gloo: nothing says which rank this process is; give --spawn "
        "(all ranks on this machine), or --rank, --world_size and --rendezvous,"
        " or start the ranks with mpirun, srun or torchrun");
  }
  EPLB_ASSIGN_OR_RETURN(
      ProcessPlace place,
      by_flags ? PlaceByFlags(flags) : PlaceByLauncher(*launcher, environment));
  if (!flags.job_id.empty()) place.job_id = flags.job_id;
  return place;
}

}  // namespace eplb
