#include "kernels/row_checksum.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eplb {
namespace {

static_assert(std::endian::native == std::endian::little,
              "words are read as they lie in memory");

// Independent chains of additions, so that none waits for the one before.
constexpr size_t kChains = 8;

uint64_t WordAt(const unsigned char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, kChecksumWordBytes);
  return word;
}

}  // namespace

uint64_t RowChecksumPart(const void* data, size_t num_bytes,
                         uint64_t first_word) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  size_t rest = num_bytes;
  uint64_t key = (first_word + 1) * kChecksumStep;
  uint64_t sums[kChains] = {};
  for (; rest >= kChains * kChecksumWordBytes;
       rest -= kChains * kChecksumWordBytes) {
    for (size_t i = 0; i < kChains; ++i) {
      sums[i] += ChecksumTerm(WordAt(bytes + i * kChecksumWordBytes),
                              key + i * kChecksumStep);
    }
    bytes += kChains * kChecksumWordBytes;
    key += kChains * kChecksumStep;
  }
  uint64_t sum = 0;
  for (const uint64_t of_chain : sums) sum += of_chain;
  for (; rest >= kChecksumWordBytes; rest -= kChecksumWordBytes) {
    sum += ChecksumTerm(WordAt(bytes), key);
    bytes += kChecksumWordBytes;
    key += kChecksumStep;
  }
  if (rest > 0) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, rest);
    sum += ChecksumTerm(word, key);
  }
  return sum;
}

}  // namespace eplb
