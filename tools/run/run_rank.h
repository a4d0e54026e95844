// RunRank: what one rank of `eplb run` does, from its connection to the end.

#ifndef EPLB_TOOLS_RUN_RUN_RANK_H_
#define EPLB_TOOLS_RUN_RUN_RANK_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/load/recorded_loads.h"
#include "policies/policy_registry.h"
#include "tools/command/command_output.h"
#include "tools/run/run_options.h"
#include "tools/run/run_result.h"
#include "tools/run/stop_signal.h"

namespace eplb {

// All that is pointed to outlives the call.
struct RankJob {
  const RunOptions* options = nullptr;
  int rank = 0;
  int num_ranks = 1;
  // Connects the ranks, in epoch 1.
  CommunicatorFactory* factory = nullptr;
  // Null for synthetic traffic.
  std::shared_ptr<const RecordedLoads> trace;
  const PolicyRegistry* policies = nullptr;
  Clock* clock = nullptr;
  const StopSignal* stop = nullptr;
  // For progress and warnings; null on all ranks but one.
  CommandOutput* output = nullptr;
};

// All ranks call. The result is the same on all; none, after a warning, when
// the wish to stop came before the ranks had met. Internal when bytes or
// outputs are wrong; errors of the communication name the ranks.
absl::StatusOr<std::optional<RunResult>> RunRank(const RankJob& job);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_RANK_H_
