// What a rank can see by itself to be wrong about a call, before anything is
// said to the others. All are InvalidArgument and name the argument; a buffer
// in a memory space that is not served is Unimplemented.

#ifndef EPLB_COLLECTIVES_CALL_ARGUMENTS_H_
#define EPLB_COLLECTIVES_CALL_ARGUMENTS_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"

namespace eplb {

// Whether the host may read and write `space` by itself.
constexpr bool IsHostAccessible(MemorySpace space) {
  return space == MemorySpace::kHost || space == MemorySpace::kPinnedHost;
}

// For a backend that serves the memory of the host alone.
absl::Status CheckAllGatherOnHost(ConstBuffer mine, Buffer all, int rank,
                                  int num_ranks);
absl::Status CheckBroadcastOnHost(Buffer data, int root, int num_ranks);

// Buffers only; MessagesByPeer checks the peers.
absl::Status CheckExchangeOnHost(absl::Span<const SendMessage> sends,
                                 absl::Span<const ReceiveMessage> receives);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CALL_ARGUMENTS_H_
