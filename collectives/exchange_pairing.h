// What the messages of an Exchange must satisfy before any of them moves: each
// send has a receive of the same size at its destination.
//
//   MessagesByPeer sends;
//   sends.BuildFromSends(messages, num_ranks);
//   uint64_t sum = SendPairingSum(rank, messages, sends) -
//                  ReceivePairingSum(rank, ...);
//   // The sums of all ranks add up to 0 when everything pairs.

#ifndef EPLB_COLLECTIVES_EXCHANGE_PAIRING_H_
#define EPLB_COLLECTIVES_EXCHANGE_PAIRING_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"

namespace eplb {

// The messages of a batch, those of one peer together, in the order they are
// listed. Keeps its memory from one batch to the next. Thread-compatible.
class MessagesByPeer {
 public:
  // InvalidArgument when a peer is not in [0, num_ranks).
  absl::Status BuildFromSends(absl::Span<const SendMessage> sends,
                              int num_ranks);
  absl::Status BuildFromReceives(absl::Span<const ReceiveMessage> receives,
                                 int num_ranks);

  // Positions in the batch of the messages to or from `peer`.
  absl::Span<const uint32_t> WithPeer(int peer) const {
    return absl::MakeConstSpan(positions_)
        .subspan(first_of_peer_[peer],
                 first_of_peer_[peer + 1] - first_of_peer_[peer]);
  }

 private:
  template <typename Message>
  absl::Status Build(absl::Span<const Message> messages, int num_ranks);

  std::vector<uint32_t> first_of_peer_;  // One more than there are peers.
  std::vector<uint32_t> positions_;
};

// A hash of one message; both its ends compute the same. `sequence` counts the
// messages of the pair.
uint64_t MessageHash(int source, int destination, uint64_t sequence,
                     uint64_t num_bytes);

// The sum, modulo 2^64, of the hashes of all sends of `rank`, and of all its
// receives.
uint64_t SendPairingSum(int rank, int num_ranks,
                        absl::Span<const SendMessage> sends,
                        const MessagesByPeer& by_destination);
uint64_t ReceivePairingSum(int rank, int num_ranks,
                           absl::Span<const ReceiveMessage> receives,
                           const MessagesByPeer& by_source);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_EXCHANGE_PAIRING_H_
