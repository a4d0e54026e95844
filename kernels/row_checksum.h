// The checksum of a row of weights: one definition, so that every kind of
// device finds the same 64 bits.
//
//   const uint64_t sum = FinishRowChecksum(
//       RowChecksumPart(bytes, num_bytes, /*first_word=*/0), num_bytes);
//
// The row is cut into words of 8 bytes, little-endian, the last one filled up
// with zeros. Word i adds
//
//   (low + 1) * (high + 2^32)  mod 2^64
//
// where low and high are the halves of word ^ (i + 1) * 0x9e3779b97f4a7c15;
// the total is mixed with the number of bytes. Since addition knows no order,
// any number of threads can share a row. A change within one aligned 4 bytes
// is always seen, any other in all but about one of 2^64 cases. Not against
// forgery.

#ifndef EPLB_KERNELS_ROW_CHECKSUM_H_
#define EPLB_KERNELS_ROW_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

namespace eplb {

// Bytes of a word. Parts of a row begin at multiples of it.
inline constexpr size_t kChecksumWordBytes = 8;

inline constexpr uint64_t kChecksumStep = 0x9e3779b97f4a7c15u;

// What `word` adds. `key` is (index of the word + 1) * kChecksumStep.
constexpr uint64_t ChecksumTerm(uint64_t word, uint64_t key) {
  const uint64_t x = word ^ key;
  return ((x & 0xffffffffu) + 1) * ((x >> 32) + (uint64_t{1} << 32));
}

// The checksum of a row of `num_bytes` whose words add up to `sum`.
constexpr uint64_t FinishRowChecksum(uint64_t sum, uint64_t num_bytes) {
  uint64_t x = sum ^ (num_bytes * kChecksumStep);
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
  x = (x ^ (x >> 29)) * 0xa0761d6478bd642fu;
  return x ^ (x >> 32);
}

// What the words of a part of a row add: of `num_bytes` bytes from its word
// `first_word` on. Only the last part of a row may end within a word.
uint64_t RowChecksumPart(const void* data, size_t num_bytes,
                         uint64_t first_word);

}  // namespace eplb

#endif  // EPLB_KERNELS_ROW_CHECKSUM_H_
