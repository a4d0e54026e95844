#include "collectives/rendezvous/peer_greeting.h"

#include <sys/random.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/little_endian.h"
#include "collectives/rendezvous/hmac.h"

namespace eplb {
namespace {

constexpr char kMagic[] = "EPLBmesh";
constexpr size_t kMagicBytes = sizeof(kMagic) - 1;
constexpr uint32_t kVersion = 1;

void Append(uint64_t value, int num_bytes, std::string& bytes) {
  std::byte stored[8];
  StoreLittleEndian(value, num_bytes, stored);
  bytes.append(reinterpret_cast<const char*>(stored), num_bytes);
}

uint64_t Take(int num_bytes, absl::string_view& bytes) {
  const uint64_t value = LoadLittleEndian(
      reinterpret_cast<const std::byte*>(bytes.data()), num_bytes);
  bytes.remove_prefix(num_bytes);
  return value;
}

}  // namespace

std::string RandomNonce() {
  std::string nonce(kNonceBytes, '\0');
  size_t filled = 0;
  while (filled < nonce.size()) {
    const ssize_t count =
        getrandom(&nonce[filled], nonce.size() - filled, /*flags=*/0);
    if (count > 0) filled += count;
  }
  return nonce;
}

std::string PeerGreeting::Encode() const {
  std::string bytes = kMagic;
  Append(kVersion, 4, bytes);
  Append(rank, 4, bytes);
  Append(num_ranks, 4, bytes);
  Append(0, 4, bytes);
  Append(epoch, 8, bytes);
  Append(group_hash, 8, bytes);
  return bytes + nonce;
}

std::optional<PeerGreeting> PeerGreeting::Decode(absl::string_view bytes) {
  if (bytes.size() != kBytes || bytes.substr(0, kMagicBytes) != kMagic) {
    return std::nullopt;
  }
  bytes.remove_prefix(kMagicBytes);
  if (Take(4, bytes) != kVersion) return std::nullopt;
  PeerGreeting greeting;
  greeting.rank = static_cast<uint32_t>(Take(4, bytes));
  greeting.num_ranks = static_cast<uint32_t>(Take(4, bytes));
  Take(4, bytes);
  greeting.epoch = Take(8, bytes);
  greeting.group_hash = Take(8, bytes);
  greeting.nonce = std::string(bytes);
  return greeting;
}

std::string PeerReply::Encode() const {
  std::string bytes = kMagic;
  Append(static_cast<uint64_t>(refusal), 8, bytes);
  return absl::StrCat(bytes, nonce, proof);
}

std::optional<PeerReply> PeerReply::Decode(absl::string_view bytes) {
  if (bytes.size() != kBytes || bytes.substr(0, kMagicBytes) != kMagic) {
    return std::nullopt;
  }
  bytes.remove_prefix(kMagicBytes);
  PeerReply reply;
  reply.refusal = static_cast<PeerRefusal>(Take(8, bytes));
  reply.nonce = std::string(bytes.substr(0, kNonceBytes));
  reply.proof = std::string(bytes.substr(kNonceBytes));
  return reply;
}

std::string PeerProof(absl::string_view secret, absl::string_view role,
                      absl::string_view greeting, absl::string_view nonce) {
  const Digest digest =
      HmacSha256(secret, absl::StrCat(role, ":", greeting, nonce));
  return std::string(digest.data(), digest.size());
}

}  // namespace eplb
