#include "collectives/rendezvous/peer_mesh.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/rank_values.h"
#include "collectives/rendezvous/hmac.h"
#include "collectives/rendezvous/peer_greeting.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

constexpr auto kGreetingTime = std::chrono::seconds(5);

PeerGreeting GreetingOf(const PeerGroup& group) {
  return {.rank = static_cast<uint32_t>(group.rank),
          .num_ranks = static_cast<uint32_t>(group.num_ranks),
          .epoch = group.epoch,
          .group_hash = StableHash().Add(group.name).value(),
          .nonce = RandomNonce()};
}

absl::Status RefusalError(PeerRefusal refusal, const PeerGroup& group) {
  switch (refusal) {
    case PeerRefusal::kDuplicateRank:
      return absl::AlreadyExistsError(absl::StrCat(
          "another process has connected as rank ", group.rank, " before"));
    case PeerRefusal::kOtherSize:
      return absl::FailedPreconditionError(
          absl::StrCat("its group is not of ", group.num_ranks, " ranks"));
    case PeerRefusal::kOtherEpoch:
      return absl::FailedPreconditionError(
          absl::StrCat("it is not in epoch ", group.epoch));
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("it does not belong to \"", group.name, "\""));
  }
}

absl::Status About(int rank, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("rank ", rank, ": ", status.message()));
}

absl::StatusOr<Socket> Greet(const PeerGroup& group, const std::string& address,
                             Clock& clock, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(Socket socket, ConnectTo(address, clock, deadline));
  const std::string greeting = GreetingOf(group).Encode();
  EPLB_RETURN_IF_ERROR(WriteAll(socket, greeting, clock, deadline));
  char bytes[PeerReply::kBytes];
  EPLB_RETURN_IF_ERROR(ReadAll(socket, absl::MakeSpan(bytes), clock, deadline));
  const std::optional<PeerReply> reply =
      PeerReply::Decode(absl::string_view(bytes, sizeof(bytes)));
  if (!reply.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat(address, " does not answer as a rank does"));
  }
  if (!SameDigest(reply->proof,
                  PeerProof(group.secret, "listens", greeting, reply->nonce))) {
    return absl::PermissionDeniedError(
        absl::StrCat(address, " and this rank hold different secrets"));
  }
  if (reply->refusal != PeerRefusal::kNone) {
    return RefusalError(reply->refusal, group);
  }
  EPLB_RETURN_IF_ERROR(WriteAll(
      socket, PeerProof(group.secret, "connects", greeting, reply->nonce),
      clock, deadline));
  return socket;
}

// A connection that has not proved yet where it comes from.
struct Visitor {
  Socket socket;
  SteadyTime deadline;
  std::string received;
  std::optional<PeerGreeting> greeting;  // Once it is received.
  std::string expected_proof;

  size_t num_wanted() const {
    return greeting.has_value() ? sizeof(Digest) : PeerGreeting::kBytes;
  }
};

// The listening side.
class Reception {
 public:
  Reception(const PeerGroup& group, const Socket& listener, Clock& clock,
            std::atomic<int64_t>& strangers, std::vector<Socket>& peers)
      : group_(group),
        listener_(listener),
        clock_(clock),
        strangers_(strangers),
        peers_(peers) {}

  // Until all ranks after the own one are here.
  absl::Status Receive(SteadyTime deadline) {
    while (true) {
      const std::vector<int> missing = MissingRanks();
      if (missing.empty()) return absl::OkStatus();
      if (clock_.Now() >= deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("the deadline passed while waiting for ",
                         RankList(missing), " to connect"));
      }
      WaitForEvents(deadline);
      EPLB_RETURN_IF_ERROR(Admit());
      visitors_.remove_if([this](Visitor& visitor) { return Serve(visitor); });
    }
  }

 private:
  std::vector<int> MissingRanks() const {
    std::vector<int> missing;
    for (int rank = group_.rank + 1; rank < group_.num_ranks; ++rank) {
      if (!peers_[rank].is_open()) missing.push_back(rank);
    }
    return missing;
  }

  void WaitForEvents(SteadyTime deadline) {
    std::vector<pollfd> entries;
    if (visitors_.size() < kMaxUngreetedConnections) {
      entries.push_back({listener_.fd(), POLLIN, 0});
    }
    for (const Visitor& visitor : visitors_) {
      entries.push_back({visitor.socket.fd(), POLLIN, 0});
      deadline = std::min(deadline, visitor.deadline);
    }
    poll(entries.data(), entries.size(), MillisecondsUntil(clock_, deadline));
  }

  absl::Status Admit() {
    while (visitors_.size() < kMaxUngreetedConnections) {
      absl::StatusOr<Socket> socket = AcceptFrom(listener_);
      if (absl::IsNotFound(socket.status())) break;
      EPLB_RETURN_IF_ERROR(socket.status());
      visitors_.push_back({.socket = *std::move(socket),
                           .deadline = clock_.Now() + kGreetingTime,
                           .received = {},
                           .greeting = {},
                           .expected_proof = {}});
    }
    return absl::OkStatus();
  }

  // Whether the visitor is done with: a peer now, or dropped.
  bool Serve(Visitor& visitor) {
    char bytes[PeerGreeting::kBytes];
    const absl::StatusOr<size_t> count = ReadSome(
        visitor.socket,
        absl::MakeSpan(bytes, visitor.num_wanted() - visitor.received.size()));
    if (!count.ok()) return Drop();
    visitor.received.append(bytes, *count);
    if (visitor.received.size() < visitor.num_wanted()) {
      return clock_.Now() >= visitor.deadline ? Drop() : false;
    }
    if (!visitor.greeting.has_value()) return Answer(visitor);
    Socket& peer = peers_[visitor.greeting->rank];
    if (!SameDigest(visitor.received, visitor.expected_proof) ||
        peer.is_open()) {
      return Drop();
    }
    peer = std::move(visitor.socket);
    return true;
  }

  bool Answer(Visitor& visitor) {
    visitor.greeting = PeerGreeting::Decode(visitor.received);
    if (!visitor.greeting.has_value()) return Drop();
    const PeerRefusal refusal = RefusalOf(*visitor.greeting);
    const std::string nonce = RandomNonce();
    const std::string reply =
        PeerReply{.refusal = refusal,
                  .nonce = nonce,
                  .proof = PeerProof(group_.secret, "listens", visitor.received,
                                     nonce)}
            .Encode();
    visitor.expected_proof =
        PeerProof(group_.secret, "connects", visitor.received, nonce);
    visitor.received.clear();
    // A fresh connection takes so little at once.
    const absl::StatusOr<size_t> count = WriteSome(visitor.socket, reply);
    if (!count.ok() || *count != reply.size()) return Drop();
    return refusal == PeerRefusal::kNone ? false : Drop();
  }

  PeerRefusal RefusalOf(const PeerGreeting& greeting) const {
    if (greeting.group_hash != StableHash().Add(group_.name).value()) {
      return PeerRefusal::kOtherGroup;
    }
    if (greeting.epoch != group_.epoch) return PeerRefusal::kOtherEpoch;
    if (greeting.num_ranks != static_cast<uint32_t>(group_.num_ranks)) {
      return PeerRefusal::kOtherSize;
    }
    if (greeting.rank == static_cast<uint32_t>(group_.rank)) {
      return PeerRefusal::kDuplicateRank;
    }
    if (greeting.rank < static_cast<uint32_t>(group_.rank) ||
        greeting.rank >= greeting.num_ranks) {
      return PeerRefusal::kUnexpectedRank;
    }
    return peers_[greeting.rank].is_open() ? PeerRefusal::kDuplicateRank
                                           : PeerRefusal::kNone;
  }

  bool Drop() {
    ++strangers_;
    return true;
  }

  const PeerGroup& group_;
  const Socket& listener_;
  Clock& clock_;
  std::atomic<int64_t>& strangers_;
  std::vector<Socket>& peers_;
  std::list<Visitor> visitors_;
};

}  // namespace

absl::StatusOr<std::vector<Socket>> ConnectPeerMesh(
    const PeerGroup& group, const Socket& listener,
    absl::Span<const std::string> address_of_rank, Clock& clock,
    SteadyTime deadline, std::atomic<int64_t>& strangers) {
  std::vector<Socket> peers(group.num_ranks);
  // Upwards: rank 0 waits for nobody, so every rank gets its turn.
  for (int rank = 0; rank < group.rank; ++rank) {
    absl::StatusOr<Socket> socket =
        Greet(group, address_of_rank[rank], clock, deadline);
    if (!socket.ok()) return About(rank, socket.status());
    peers[rank] = *std::move(socket);
  }
  EPLB_RETURN_IF_ERROR(
      Reception(group, listener, clock, strangers, peers).Receive(deadline));
  return peers;
}

}  // namespace eplb
