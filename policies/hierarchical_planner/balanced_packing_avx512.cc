#include "policies/hierarchical_planner/balanced_packing_avx512.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

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

constexpr int kLanes = 8;  // loads per vector
// The load of a full or missing bin: above every finite double read as bits.
constexpr uint64_t kOut = std::numeric_limits<int64_t>::max();

// The bins by rising load, the lower-numbered first among equal loads, in
// vector registers. Loads are doubles >= 0 held as their bits, which rise with
// them. Packing takes the first bin and puts it back further on.
template <int kVectors>
class SortedBins {
 public:
  EPLB_TARGET_AVX512 explicit SortedBins(int num_bins) {
    std::array<uint64_t, kMaxBinsAvx512> loads;
    std::array<uint8_t, kMaxBinsAvx512> bins;
    for (int bin = 0; bin < kMaxBinsAvx512; ++bin) {
      loads[bin] = bin < num_bins ? 0 : kOut;
      bins[bin] = static_cast<uint8_t>(bin);
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      loads_[v] = _mm512_loadu_si512(&loads[v * kLanes]);
    }
    bins_ = _mm512_loadu_si512(bins.data());
    next_byte_ = _mm512_add_epi8(bins_, _mm512_set1_epi8(1));
  }

  EPLB_TARGET_AVX512 int first_bin() const {
    return _mm_cvtsi128_si32(_mm512_castsi512_si128(bins_)) & 0xff;
  }

  // The load of the first bin with `weight` added, in every lane.
  EPLB_TARGET_AVX512 __m512i FirstLoadPlus(double weight) const {
    const __m512d loads = _mm512_castsi512_pd(loads_[0]);
    const __m128d sum =
        _mm_add_sd(_mm512_castpd512_pd128(loads), _mm_set_sd(weight));
    return _mm512_castpd_si512(_mm512_broadcastsd_pd(sum));
  }

  // Takes out the first bin and puts it back with a load that is not smaller.
  EPLB_TARGET_AVX512 void ReplaceFirst(__m512i load) {
    uint64_t before = 0;  // a bit for each bin that comes before it now
    uint64_t equal = 0;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      before |= uint64_t{_mm512_cmplt_epu64_mask(loads_[v], load)}
                << (v * kLanes);
      equal |= uint64_t{_mm512_cmpeq_epu64_mask(loads_[v], load)}
               << (v * kLanes);
    }
    const __m512i bin = _mm512_broadcastb_epi8(_mm512_castsi512_si128(bins_));
    // A branch, for equal loads are rare and most waits for `bin` needless.
    if (equal != 0) [[unlikely]] {
      before |= equal & _mm512_cmplt_epu8_mask(bins_, bin);
    }

    // What comes before moves down one lane; the bin goes where the last of
    // these was. For the loads, which are sorted, that is a minimum and a
    // maximum: the next iteration need not wait for `before`.
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const __m512i next =
          v + 1 < kVectors ? loads_[v + 1] : _mm512_set1_epi64(kOut);
      const __m512i moved = _mm512_alignr_epi64(next, loads_[v], 1);
      loads_[v] = _mm512_min_epu64(moved, _mm512_max_epu64(loads_[v], load));
    }
    const __m512i moved = _mm512_permutexvar_epi8(next_byte_, bins_);
    bins_ = _mm512_mask_mov_epi8(bins_, before >> 1, moved);
    bins_ = _mm512_mask_mov_epi8(bins_, before ^ (before >> 1), bin);
  }

 private:
  __m512i loads_[kVectors];
  __m512i bins_;       // as bytes
  __m512i next_byte_;  // for each byte the index of the next
};

template <int kVectors>
EPLB_TARGET_AVX512 void Pack(absl::Span<const double> falling_weights,
                             int num_bins, int bin_capacity,
                             absl::Span<int32_t> places) {
  std::array<int32_t, kMaxBinsAvx512> next_place;
  for (int bin = 0; bin < num_bins; ++bin) next_place[bin] = bin * bin_capacity;
  SortedBins<kVectors> bins(num_bins);
  for (size_t item = 0; item < falling_weights.size(); ++item) {
    const int bin = bins.first_bin();
    __m512i load = bins.FirstLoadPlus(falling_weights[item]);
    places[item] = next_place[bin]++;
    // A branch, so that in most iterations nothing waits for `bin`.
    if (next_place[bin] == (bin + 1) * bin_capacity) [[unlikely]] {
      load = _mm512_set1_epi64(kOut);
    }
    bins.ReplaceFirst(load);
  }
}

}  // namespace

void PackBalancedAvx512(absl::Span<const double> falling_weights, int num_bins,
                        int bin_capacity, absl::Span<int32_t> places) {
  if (num_bins <= kLanes) {
    Pack<1>(falling_weights, num_bins, bin_capacity, places);
  } else if (num_bins <= 4 * kLanes) {
    Pack<4>(falling_weights, num_bins, bin_capacity, places);
  } else {
    Pack<8>(falling_weights, num_bins, bin_capacity, places);
  }
}

}  // namespace eplb

#else

namespace eplb {

void PackBalancedAvx512(absl::Span<const double>, int, int,
                        absl::Span<int32_t>) {
  std::abort();  // CpuHasAvx512() is false here
}

}  // namespace eplb

#endif
