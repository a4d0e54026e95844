#include "collectives/exchange_pairing.h"

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

int Peer(const SendMessage& message) { return message.destination; }
int Peer(const ReceiveMessage& message) { return message.source; }

const char* Describe(const SendMessage&) { return "send to rank "; }
const char* Describe(const ReceiveMessage&) { return "receive from rank "; }

}  // namespace

template <typename Message>
absl::Status MessagesByPeer::Build(absl::Span<const Message> messages,
                                   int num_ranks) {
  if (messages.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat(messages.size(), " messages in one exchange"));
  }
  // A counting sort: linear, and stable as the order within a pair must be.
  first_of_peer_.assign(num_ranks + 1, 0);
  positions_.resize(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    const int peer = Peer(messages[i]);
    if (peer < 0 || peer >= num_ranks) {
      return absl::InvalidArgumentError(
          absl::StrCat("message ", i, ": ", Describe(messages[i]), peer,
                       ", which is not in [0, ", num_ranks, ")"));
    }
    ++first_of_peer_[peer];
  }
  uint32_t end = 0;
  for (uint32_t& first : first_of_peer_) {
    end += first;
    first = end;
  }
  // From the back, each peer's end walks down to its first position.
  for (size_t i = messages.size(); i-- > 0;) {
    positions_[--first_of_peer_[Peer(messages[i])]] = static_cast<uint32_t>(i);
  }
  return absl::OkStatus();
}

absl::Status MessagesByPeer::BuildFromSends(absl::Span<const SendMessage> sends,
                                            int num_ranks) {
  return Build(sends, num_ranks);
}

absl::Status MessagesByPeer::BuildFromReceives(
    absl::Span<const ReceiveMessage> receives, int num_ranks) {
  return Build(receives, num_ranks);
}

uint64_t MessageHash(int source, int destination, uint64_t sequence,
                     uint64_t num_bytes) {
  return StableHash()
      .Add(static_cast<uint64_t>(source) << 32 |
           static_cast<uint32_t>(destination))
      .Add(sequence)
      .Add(num_bytes)
      .value();
}

uint64_t SendPairingSum(int rank, int num_ranks,
                        absl::Span<const SendMessage> sends,
                        const MessagesByPeer& by_destination) {
  uint64_t sum = 0;
  for (int peer = 0; peer < num_ranks; ++peer) {
    uint64_t sequence = 0;
    for (const uint32_t position : by_destination.WithPeer(peer)) {
      sum +=
          MessageHash(rank, peer, sequence++, sends[position].buffer.num_bytes);
    }
  }
  return sum;
}

uint64_t ReceivePairingSum(int rank, int num_ranks,
                           absl::Span<const ReceiveMessage> receives,
                           const MessagesByPeer& by_source) {
  uint64_t sum = 0;
  for (int peer = 0; peer < num_ranks; ++peer) {
    uint64_t sequence = 0;
    for (const uint32_t position : by_source.WithPeer(peer)) {
      sum += MessageHash(peer, rank, sequence++,
                         receives[position].buffer.num_bytes);
    }
  }
  return sum;
}

}  // namespace eplb
