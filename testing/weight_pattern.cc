#include "testing/weight_pattern.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

// Calls `use` with every 8 bytes, the last ones fewer, and what they are to be.
template <typename Use>
bool ForEachWord(const WeightRow& row, size_t num_bytes, Use use) {
  uint64_t word = StableHash()
                      .Add(static_cast<uint64_t>(row.layer))
                      .Add(static_cast<uint64_t>(row.expert))
                      .Add(static_cast<uint64_t>(row.tensor))
                      .value();
  for (size_t offset = 0; offset < num_bytes; offset += sizeof(word)) {
    // A counter with an odd step: no two words of a row are alike.
    word += 0x9e3779b97f4a7c15u;
    if (!use(offset, std::min(sizeof(word), num_bytes - offset), word)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void FillRow(const WeightRow& row, absl::Span<std::byte> bytes) {
  ForEachWord(row, bytes.size(),
              [&](size_t offset, size_t count, uint64_t word) {
                std::memcpy(&bytes[offset], &word, count);
                return true;
              });
}

bool HoldsRow(const WeightRow& row, absl::Span<const std::byte> bytes) {
  return ForEachWord(row, bytes.size(),
                     [&](size_t offset, size_t count, uint64_t word) {
                       return std::memcmp(&bytes[offset], &word, count) == 0;
                     });
}

}  // namespace eplb
