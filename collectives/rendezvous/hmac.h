// SHA-256 and HMAC-SHA-256, for the proof that a peer knows the job's secret.
//
//   Digest proof = HmacSha256(secret, challenge);
//   if (!SameDigest(proof, received)) ...  // A stranger.

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_HMAC_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_HMAC_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace eplb {

using Digest = std::array<char, 32>;

Digest Sha256(absl::string_view bytes);
Digest HmacSha256(absl::string_view key, absl::string_view bytes);

// In a time that does not depend on where they differ.
bool SameDigest(absl::string_view a, absl::string_view b);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_HMAC_H_
