// SpawnRanks: the ranks of a job as processes of this machine.
//
//   const StopSignal stop;
//   EPLB_ASSIGN_OR_RETURN(std::optional<int> rank,
//                         SpawnRanks(8, clock, grace, stop));
//   if (rank.has_value()) return RunRank(*rank);  // In each child.
//
// A fork without an exec: a child goes on with all that was read and checked.

#ifndef EPLB_TOOLS_RUN_SPAWN_RANKS_H_
#define EPLB_TOOLS_RUN_SPAWN_RANKS_H_

#include <chrono>
#include <optional>

#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "tools/run/stop_signal.h"

namespace eplb {

// Returns once in each child, with its rank, and in the parent, with nothing,
// when all children have ended well. The parent has no threads. It hands
// SIGINT and SIGTERM on to the children, where `stop` tells of them too, from
// their first moment on. When a child ends badly, or ends at all after such a
// signal, the others have `grace` to end too; what is still there then is
// killed. The error names the rank that ended first, one that a signal ended
// before the others, and tells how: Unavailable for a signal or the exit status
// of a lost peer, else as its exit status says. Where all others ended well it
// is Unavailable and names the first that was killed.
absl::StatusOr<std::optional<int>> SpawnRanks(int num_ranks, Clock& clock,
                                              std::chrono::milliseconds grace,
                                              const StopSignal& stop);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_SPAWN_RANKS_H_
