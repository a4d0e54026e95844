// RunProcess: one rank of `eplb run` as this process, over Gloo.

#ifndef EPLB_TOOLS_RUN_RUN_PROCESS_H_
#define EPLB_TOOLS_RUN_RUN_PROCESS_H_

#include <optional>

#include "absl/status/statusor.h"
#include "tools/run/process_place.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"

namespace eplb {

// This process's rank, which flags or a launcher say (`place`). Empty except
// on rank 0, and there too when the run was stopped before the ranks had met.
// `job` has no rank and no factory.
absl::StatusOr<std::optional<RunResult>> RunPlacedProcess(
    RankJob job, const ProcessPlace& place);

// Starts all ranks as processes of this machine, meeting in a directory of
// their own and with a secret of their own. Returns in every one of them, and
// in the parent at the end: with a result on rank 0, as above.
absl::StatusOr<std::optional<RunResult>> RunSpawnedProcesses(RankJob job);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_PROCESS_H_
