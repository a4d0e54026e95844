// StableHash: a 64-bit hash that is the same on every rank, machine and build.
//
//   uint64_t hash = StableHash().Add(num_layers).Add(slots).value();
//
// For comparing what ranks hold, not for hash tables and not against forgery.

#ifndef EPLB_CORE_STABLE_HASH_H_
#define EPLB_CORE_STABLE_HASH_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace eplb {

// Thread-compatible.
class StableHash {
 public:
  StableHash& Add(uint64_t word) {
    // A bijective mix of the running value: two inputs of the same length
    // that differ in one word never collide.
    uint64_t x = value_ ^ word;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    x = (x ^ (x >> 29)) * 0xa0761d6478bd642fu;
    value_ = (x ^ (x >> 32)) + 0x9e3779b97f4a7c15u;
    return *this;
  }

  // The values in order, two to a word. The length is part of the hash.
  StableHash& Add(absl::Span<const int32_t> values) {
    Add(values.size());
    size_t i = 0;
    for (; i + 2 <= values.size(); i += 2) {
      Add(uint64_t{static_cast<uint32_t>(values[i])} << 32 |
          static_cast<uint32_t>(values[i + 1]));
    }
    if (i < values.size()) Add(uint64_t{static_cast<uint32_t>(values[i])});
    return *this;
  }

  // The bytes in order. The length is part of the hash.
  StableHash& Add(absl::string_view bytes) {
    Add(bytes.size());
    for (const char byte : bytes) Add(uint64_t{static_cast<uint8_t>(byte)});
    return *this;
  }

  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0x45504c42;  // "EPLB"
};

}  // namespace eplb

#endif  // EPLB_CORE_STABLE_HASH_H_
