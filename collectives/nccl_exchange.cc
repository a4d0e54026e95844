#include "collectives/nccl_exchange.h"

#include <cstddef>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_exchange_order.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Groups of an exchange between two looks at whether anything moves on: enough
// that the GPU hardly waits for the next ones.
constexpr size_t kGroupsPerBatch = 4;

absl::Status IssueMessages(NcclOwner::Calls& calls,
                           const NcclMessageGroup& group) {
  for (const SendMessage& message : group.sends) {
    EPLB_RETURN_IF_ERROR(calls.Nccl("ncclSend", [&](NcclApi& api) {
      return api.Send(message.buffer.data, message.buffer.num_bytes,
                      NcclDataType::kUint8, message.destination, calls.comm(),
                      calls.stream());
    }));
  }
  for (const ReceiveMessage& message : group.receives) {
    EPLB_RETURN_IF_ERROR(calls.Nccl("ncclRecv", [&](NcclApi& api) {
      return api.Recv(message.buffer.data, message.buffer.num_bytes,
                      NcclDataType::kUint8, message.source, calls.comm(),
                      calls.stream());
    }));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status IssueExchange(NcclOwner::Calls& calls,
                           const NcclExchangeOrder& order) {
  for (const LocalCopy& copy : order.local_copies) {
    EPLB_RETURN_IF_ERROR(calls.Cuda("cudaMemcpyAsync", [&](NcclApi& api) {
      return api.MemcpyAsync(copy.to, copy.from, copy.num_bytes,
                             calls.stream());
    }));
  }
  for (size_t i = 0; i < order.groups.size(); ++i) {
    if (i % kGroupsPerBatch == 0) {
      if (i > 0) EPLB_RETURN_IF_ERROR(calls.WaitForStream());
      calls.ExpectProgress();
    }
    EPLB_RETURN_IF_ERROR(calls.Nccl(
        "ncclGroupStart", [](NcclApi& api) { return api.GroupStart(); }));
    const absl::Status issued = IssueMessages(calls, order.groups[i]);
    // Also after an error: the thread would stay inside the group.
    const absl::Status ended =
        calls.Nccl("ncclGroupEnd", [](NcclApi& api) { return api.GroupEnd(); });
    EPLB_RETURN_IF_ERROR(issued);
    EPLB_RETURN_IF_ERROR(ended);
  }
  return absl::OkStatus();
}

}  // namespace eplb
