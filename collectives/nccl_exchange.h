// IssueExchange: gives NCCL the messages of an Exchange, on the thread of an
// owner.
//
//   EPLB_ASSIGN_OR_RETURN(NcclExchangeOrder order,
//                         OrderForNccl(rank, num_ranks, sends, receives));
//   owner.Run([order](NcclOwner::Calls& calls) {
//     return IssueExchange(calls, order);
//   }, deadline);

#ifndef EPLB_COLLECTIVES_NCCL_EXCHANGE_H_
#define EPLB_COLLECTIVES_NCCL_EXCHANGE_H_

#include "absl/status/status.h"
#include "collectives/nccl_exchange_order.h"
#include "collectives/nccl_owner.h"

namespace eplb {

// Waits for the GPU after every few groups, each time no longer than the
// progress timeout; not for the last ones.
absl::Status IssueExchange(NcclOwner::Calls& calls,
                           const NcclExchangeOrder& order);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_EXCHANGE_H_
