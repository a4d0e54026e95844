// InProcessCall: what a rank tells the other ranks of its process about the
// call it makes, and how the calls of all ranks are compared.

#ifndef EPLB_COLLECTIVES_IN_PROCESS_CALL_H_
#define EPLB_COLLECTIVES_IN_PROCESS_CALL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/call_description.h"
#include "collectives/communicator.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"

namespace eplb {

struct InProcessCall : CallDescription {
  // A payload up to this size is copied into the call itself, which spares the
  // ranks to wait for each other a second time. A check header fits.
  static constexpr size_t kInlineBytes = 512;

  // The caller's memory, which ends when its call returns: `source` is read by
  // the others, `values` (of AllReduceSum) also written.
  const std::byte* source = nullptr;
  absl::Span<int64_t> values;

  absl::Span<const SendMessage> sends;
  absl::Span<const ReceiveMessage> receives;
  MessagesByPeer sends_by_destination;
  MessagesByPeer receives_by_source;
  uint64_t pairing_sum = 0;  // Sends minus receives.

  alignas(int64_t) std::byte inline_bytes[kInlineBytes];
};

// OK when the calls of all ranks are of one operation and fit together, else
// FailedPrecondition that names the ranks and what they called.
absl::Status CompareCalls(
    int num_ranks, absl::FunctionRef<const InProcessCall&(int rank)> call_of);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_IN_PROCESS_CALL_H_
