// Exchange of the in-process backend.

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/exchange_pairing.h"
#include "collectives/in_process_channel.h"
#include "collectives/in_process_communicator.h"
#include "collectives/operation.h"
#include "collectives/paced_copy.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::Status InProcessCommunicator::Exchange(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  return Call(Operation::kExchange, [&]() -> absl::Status {
    InProcessCall& call = BeginCall(Operation::kExchange);
    for (const absl::Status& status :
         {CheckExchange(sends, receives), CheckOnHost(sends, receives),
          call.sends_by_destination.BuildFromSends(sends, size()),
          call.receives_by_source.BuildFromReceives(receives, size())}) {
      EPLB_RETURN_IF_ERROR(InCall(Operation::kExchange, status));
    }
    call.sends = sends;
    call.receives = receives;
    call.pairing_sum =
        SendPairingSum(rank_, size(), sends, call.sends_by_destination) -
        ReceivePairingSum(rank_, size(), receives, call.receives_by_source);
    EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
    return channel_->Copy(rank_, deadline, [&] {
      return CopyReceived(receives, call.receives_by_source, deadline);
    });
  });
}

// Straight from the senders' buffers, by the thread that receives.
absl::Status InProcessCommunicator::CopyReceived(
    absl::Span<const ReceiveMessage> receives, const MessagesByPeer& by_source,
    SteadyTime deadline) const {
  PacedCopy paced(*channel_, deadline);
  for (int i = 0; i < size(); ++i) {
    const int source = (rank_ + i) % size();
    const InProcessCall& sender = CallOf(source);
    const absl::Span<const uint32_t> from =
        sender.sends_by_destination.WithPeer(rank_);
    const absl::Span<const uint32_t> to = by_source.WithPeer(source);
    if (from.size() != to.size()) {
      return absl::InternalError(absl::StrCat(
          "unpaired messages from rank ", source, " passed the comparison"));
    }
    for (size_t k = 0; k < to.size(); ++k) {
      const ConstBuffer& sent = sender.sends[from[k]].buffer;
      const Buffer& received = receives[to[k]].buffer;
      if (sent.num_bytes != received.num_bytes) {
        return absl::InternalError(
            absl::StrCat("a message of another size from rank ", source,
                         " passed the comparison"));
      }
      EPLB_RETURN_IF_ERROR(
          paced.Copy(received.data, sent.data, sent.num_bytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace eplb
