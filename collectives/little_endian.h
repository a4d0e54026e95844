// Numbers as bytes, lowest first, on every machine.

#ifndef EPLB_COLLECTIVES_LITTLE_ENDIAN_H_
#define EPLB_COLLECTIVES_LITTLE_ENDIAN_H_

#include <cstddef>
#include <cstdint>

namespace eplb {

// The lowest `num_bytes` bytes of `value`.
inline void StoreLittleEndian(uint64_t value, int num_bytes, std::byte* to) {
  for (int i = 0; i < num_bytes; ++i) {
    to[i] = static_cast<std::byte>(value >> (8 * i));
  }
}

inline uint64_t LoadLittleEndian(const std::byte* from, int num_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < num_bytes; ++i) {
    value |= std::to_integer<uint64_t>(from[i]) << (8 * i);
  }
  return value;
}

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_LITTLE_ENDIAN_H_
