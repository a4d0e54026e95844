// The messages by which two ranks make sure of each other; see
// collectives/rendezvous/peer_mesh.h for the order.

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_PEER_GREETING_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_PEER_GREETING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "collectives/rendezvous/hmac.h"

namespace eplb {

inline constexpr size_t kNonceBytes = 32;

// Bytes that nobody can foresee.
std::string RandomNonce();

struct PeerGreeting {
  static constexpr size_t kBytes = 40 + kNonceBytes;

  uint32_t rank = 0;
  uint32_t num_ranks = 0;
  uint64_t epoch = 0;
  uint64_t group_hash = 0;
  std::string nonce;

  std::string Encode() const;
  // Nothing when the bytes are something else.
  static std::optional<PeerGreeting> Decode(absl::string_view bytes);
};

enum class PeerRefusal : uint64_t {
  kNone = 0,
  kOtherGroup = 1,
  kOtherEpoch = 2,
  kOtherSize = 3,
  kDuplicateRank = 4,
  kUnexpectedRank = 5,
};

struct PeerReply {
  static constexpr size_t kBytes = 16 + kNonceBytes + sizeof(Digest);

  PeerRefusal refusal = PeerRefusal::kNone;
  std::string nonce;
  std::string proof;

  std::string Encode() const;
  static std::optional<PeerReply> Decode(absl::string_view bytes);
};

// That the side in `role` ("listens", "connects") knows the secret, for this
// greeting alone.
std::string PeerProof(absl::string_view secret, absl::string_view role,
                      absl::string_view greeting, absl::string_view nonce);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_PEER_GREETING_H_
