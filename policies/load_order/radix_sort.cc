#include "policies/load_order/radix_sort.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {
namespace {

constexpr int kMaxDigitBits = 9;

void SortByDigit(int shift, int digit_bits, absl::Span<const uint64_t> from,
                 absl::Span<uint64_t> to) {
  const uint64_t mask = (uint64_t{1} << digit_bits) - 1;
  std::array<uint32_t, (1 << kMaxDigitBits)> next = {};
  for (const uint64_t key : from) ++next[(key >> shift) & mask];
  uint32_t start = 0;
  for (size_t digit = 0; digit <= mask; ++digit) {
    const uint32_t count = next[digit];
    next[digit] = start;
    start += count;
  }
  for (const uint64_t key : from) to[next[(key >> shift) & mask]++] = key;
}

}  // namespace

void RadixSort(int first_bit, int end_bit, std::vector<uint64_t>& keys,
               std::vector<uint64_t>& scratch) {
  scratch.resize(keys.size());
  const int num_bits = end_bit - first_bit;
  const int num_passes = (num_bits + kMaxDigitBits - 1) / kMaxDigitBits;
  for (int pass = 0; pass < num_passes; ++pass) {
    // Passes of even width: a short last pass would cost as much as a full one
    // and leave the others wide histograms to sum.
    const int shift = first_bit + num_bits * pass / num_passes;
    const int next_shift = first_bit + num_bits * (pass + 1) / num_passes;
    SortByDigit(shift, next_shift - shift, keys, absl::MakeSpan(scratch));
    keys.swap(scratch);
  }
}

}  // namespace eplb
