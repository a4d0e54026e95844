// The groups in which the nccl backend sends and receives the messages of an
// Exchange, one group after the other: few enough at once for NCCL, and in an
// order in which no rank waits for one that waits for it.
//
//   EPLB_ASSIGN_OR_RETURN(NcclExchangeOrder order,
//                         OrderForNccl(rank, num_ranks, sends, receives));
//   for (const NcclMessageGroup& group : order.groups) ...
//
// A group stands at the same place in an order that depends on the number of
// ranks alone: by distance of the ranks, then by the position of a message
// among those of its pair. Both ends of a message are at one place, so each
// group waits only for the same one of other ranks, whatever they leave out.

#ifndef EPLB_COLLECTIVES_NCCL_EXCHANGE_ORDER_H_
#define EPLB_COLLECTIVES_NCCL_EXCHANGE_ORDER_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"

namespace eplb {

// Sends and receives together. One batch of very many has hung NCCL.
inline constexpr int kMaxNcclMessagesPerGroup = 32;

// At most kMaxNcclMessagesPerGroup, none of them empty or to this rank.
struct NcclMessageGroup {
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
};

// A message of a rank to itself.
struct LocalCopy {
  const void* from;
  void* to;
  size_t num_bytes;
};

struct NcclExchangeOrder {
  std::vector<LocalCopy> local_copies;
  std::vector<NcclMessageGroup> groups;  // None is empty.
};

// InvalidArgument when a peer is not in [0, num_ranks); FailedPrecondition when
// this rank's messages to itself do not pair. Messages of size 0 must be listed
// by both sides like all others, and are left out.
absl::StatusOr<NcclExchangeOrder> OrderForNccl(
    int rank, int num_ranks, absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_EXCHANGE_ORDER_H_
