// What a rank can see by itself to be wrong about a call, before anything is
// said to the others. All are InvalidArgument and name the argument, but a
// buffer in a memory space that is not served is Unimplemented.

#ifndef EPLB_COLLECTIVES_CALL_ARGUMENTS_H_
#define EPLB_COLLECTIVES_CALL_ARGUMENTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/memory_space.h"

namespace eplb {

absl::Status CheckAllGather(ConstBuffer mine, Buffer all, int rank,
                            int num_ranks);
absl::Status CheckBroadcast(Buffer data, int root, int num_ranks);

// Buffers only; MessagesByPeer checks the peers.
absl::Status CheckExchange(absl::Span<const SendMessage> sends,
                           absl::Span<const ReceiveMessage> receives);

// Whether the host may read and write the memory by itself: for a backend that
// serves nothing else.
absl::Status CheckOnHost(MemorySpace space);
absl::Status CheckOnHost(absl::Span<const SendMessage> sends,
                         absl::Span<const ReceiveMessage> receives);

// Of CommunicatorFactory::Connect on `rank` of `num_ranks`, which has used the
// epochs up to `last_epoch`. An epoch that does not come after that is
// FailedPrecondition.
absl::Status CheckConnect(int rank, int num_ranks, uint64_t epoch,
                          uint64_t last_epoch, absl::Span<const int> members);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CALL_ARGUMENTS_H_
