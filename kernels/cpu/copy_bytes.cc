#include "kernels/cpu/copy_bytes.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace eplb {

#if defined(__SSE2__)

namespace {

constexpr size_t kLineBytes = 64;
// The source is asked for this far ahead: the latency of memory, in bytes.
constexpr size_t kPrefetchBytes = 1024;

// `destination` begins a cache line.
void CopyLines(std::byte* destination, const std::byte* source,
               size_t num_lines) {
  for (size_t line = 0; line < num_lines; ++line) {
    _mm_prefetch(reinterpret_cast<const char*>(source + kPrefetchBytes),
                 _MM_HINT_T0);
    const auto* from = reinterpret_cast<const __m128i*>(source);
    auto* to = reinterpret_cast<__m128i*>(destination);
    const __m128i a = _mm_loadu_si128(from);
    const __m128i b = _mm_loadu_si128(from + 1);
    const __m128i c = _mm_loadu_si128(from + 2);
    const __m128i d = _mm_loadu_si128(from + 3);
    _mm_stream_si128(to, a);
    _mm_stream_si128(to + 1, b);
    _mm_stream_si128(to + 2, c);
    _mm_stream_si128(to + 3, d);
    source += kLineBytes;
    destination += kLineBytes;
  }
}

}  // namespace

void CopyPastCaches(void* destination, const void* source, size_t num_bytes) {
  auto* to = static_cast<std::byte*>(destination);
  const auto* from = static_cast<const std::byte*>(source);
  const size_t before =
      (kLineBytes - reinterpret_cast<uintptr_t>(to) % kLineBytes) % kLineBytes;
  if (num_bytes < before + kLineBytes) {
    std::memcpy(to, from, num_bytes);
    return;
  }
  std::memcpy(to, from, before);
  const size_t num_lines = (num_bytes - before) / kLineBytes;
  CopyLines(to + before, from + before, num_lines);
  const size_t done = before + num_lines * kLineBytes;
  std::memcpy(to + done, from + done, num_bytes - done);
  _mm_sfence();
}

#else

void CopyPastCaches(void* destination, const void* source, size_t num_bytes) {
  std::memcpy(destination, source, num_bytes);
}

#endif

}  // namespace eplb
