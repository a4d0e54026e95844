// ConnectPeerMesh: a connection between every two ranks of a group, each of
// which has proved to the other that it knows the job's secret.
//
//   EPLB_ASSIGN_OR_RETURN(Socket listener, ListenOn("127.0.0.1"));
//   // ... the ranks tell each other their addresses ...
//   EPLB_ASSIGN_OR_RETURN(
//       std::vector<Socket> peers,
//       ConnectPeerMesh(group, listener, addresses, clock, deadline));
//
// The greeting, integers little-endian. The lower rank listens:
//
//   connects: magic, version, rank, ranks, epoch, hash of the group, nonce
//   listens:  magic, refusal or 0, nonce, HMAC("listens", greeting, nonce)
//   connects: HMAC("connects", greeting, nonce)
//
// A connection that does not greet so within 5 seconds, that speaks something
// else or does not know the secret is dropped and counted, and the group goes
// on to wait for its own.

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_PEER_MESH_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_PEER_MESH_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"

namespace eplb {

struct PeerGroup {
  std::string name;  // Job, channel: the same on all ranks.
  uint64_t epoch = 0;
  int rank = 0;
  int num_ranks = 1;
  std::string secret;
};

// Connections waiting to be greeted; further ones wait in the kernel.
inline constexpr int kMaxUngreetedConnections = 64;

// The socket to each rank; the own place is empty. `strangers` counts the
// connections that were dropped.
absl::StatusOr<std::vector<Socket>> ConnectPeerMesh(
    const PeerGroup& group, const Socket& listener,
    absl::Span<const std::string> address_of_rank, Clock& clock,
    SteadyTime deadline, std::atomic<int64_t>& strangers);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_PEER_MESH_H_
