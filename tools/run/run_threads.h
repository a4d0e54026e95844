// RunThreads: the ranks of `eplb run` as threads of this process.

#ifndef EPLB_TOOLS_RUN_RUN_THREADS_H_
#define EPLB_TOOLS_RUN_RUN_THREADS_H_

#include <optional>

#include "absl/status/statusor.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"

namespace eplb {

// `job` is that of rank 0, without a factory; the others are like it, without
// its output. Returns the result, if RunRank has one, or the error that came
// first: the others follow from it.
absl::StatusOr<std::optional<RunResult>> RunThreads(const RankJob& job);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_THREADS_H_
