#include "policies/load_order/key_sort_avx512.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"
#include "policies/load_order/avx512.h"

#if EPLB_HAVE_AVX512

#include <immintrin.h>

// GCC 12 takes the deliberately undefined operands inside its own intrinsics
// for mistakes (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace eplb {
namespace {

constexpr size_t kLanes = 8;

// A bitonic sort: sorted blocks of doubling size are merged in pairs. To merge,
// each key of the first block is compared with its mirror image in the second,
// then keys at half the distance, a quarter, and so on. Nothing branches on a
// key.

EPLB_TARGET_AVX512 inline __m512i Load(const uint64_t* keys) {
  return _mm512_loadu_si512(keys);
}

EPLB_TARGET_AVX512 inline void Store(uint64_t* keys, __m512i vector) {
  _mm512_storeu_si512(keys, vector);
}

EPLB_TARGET_AVX512 inline __m512i Reverse(__m512i keys) {
  return _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7),
                                  keys);
}

// Compares each lane with lane ^ kXor; the higher lane gets the larger key.
template <int kXor>
EPLB_TARGET_AVX512 inline __m512i CompareLanes(__m512i keys) {
  const __m512i other = _mm512_permutexvar_epi64(
      _mm512_set_epi64(7 ^ kXor, 6 ^ kXor, 5 ^ kXor, 4 ^ kXor, 3 ^ kXor,
                       2 ^ kXor, 1 ^ kXor, 0 ^ kXor),
      keys);
  // The lanes with the highest bit of kXor set are the higher of their pair.
  constexpr __mmask8 kHigher = kXor >= 4 ? 0xf0 : kXor >= 2 ? 0xcc : 0xaa;
  return _mm512_mask_max_epu64(_mm512_min_epu64(keys, other), kHigher, keys,
                               other);
}

EPLB_TARGET_AVX512 inline __m512i MergeLanes(__m512i keys) {
  return CompareLanes<1>(CompareLanes<2>(CompareLanes<4>(keys)));
}

EPLB_TARGET_AVX512 inline __m512i SortLanes(__m512i keys) {
  keys = CompareLanes<1>(keys);
  keys = CompareLanes<1>(CompareLanes<3>(keys));
  return CompareLanes<1>(CompareLanes<2>(CompareLanes<7>(keys)));
}

// Compares the first half of a block with the mirror image of the second.
EPLB_TARGET_AVX512 inline void CompareMirrored(uint64_t* block, size_t size) {
  for (size_t i = 0; i < size / 2; i += kLanes) {
    uint64_t* const mirror = block + size - kLanes - i;
    const __m512i low = Load(block + i);
    const __m512i high = Reverse(Load(mirror));
    Store(block + i, _mm512_min_epu64(low, high));
    Store(mirror, Reverse(_mm512_max_epu64(low, high)));
  }
}

// Compares the first half of a block with the second.
EPLB_TARGET_AVX512 inline void CompareHalves(uint64_t* block, size_t size) {
  for (size_t i = 0; i < size / 2; i += kLanes) {
    const __m512i low = Load(block + i);
    const __m512i high = Load(block + size / 2 + i);
    Store(block + i, _mm512_min_epu64(low, high));
    Store(block + size / 2 + i, _mm512_max_epu64(low, high));
  }
}

}  // namespace

EPLB_TARGET_AVX512 void SortKeysAvx512(absl::Span<uint64_t> keys) {
  uint64_t* const begin = keys.data();
  uint64_t* const end = begin + keys.size();
  for (uint64_t* v = begin; v < end; v += kLanes) Store(v, SortLanes(Load(v)));
  for (size_t size = 2 * kLanes; size <= keys.size(); size *= 2) {
    for (uint64_t* block = begin; block < end; block += size) {
      CompareMirrored(block, size);
    }
    for (size_t part = size / 2; part > kLanes; part /= 2) {
      for (uint64_t* block = begin; block < end; block += part) {
        CompareHalves(block, part);
      }
    }
    for (uint64_t* v = begin; v < end; v += kLanes) {
      Store(v, MergeLanes(Load(v)));
    }
  }
}

}  // namespace eplb

#else

namespace eplb {

void SortKeysAvx512(absl::Span<uint64_t>) {
  std::abort();  // CpuHasAvx512() is false here
}

}  // namespace eplb

#endif
