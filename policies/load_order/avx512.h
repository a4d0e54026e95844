#ifndef EPLB_POLICIES_LOAD_ORDER_AVX512_H_
#define EPLB_POLICIES_LOAD_ORDER_AVX512_H_

// Which instructions the *_avx512.cc files may use, and whether this machine
// has them: those of every server core since Ice Lake and Zen 4.

#if defined(__x86_64__) && defined(__GNUC__)
#define EPLB_HAVE_AVX512 1
// AddressSanitizer aligns the stack variables that it moves to 32 bytes; these
// functions keep vectors of 64 bytes there.
#define EPLB_TARGET_AVX512                                                   \
  __attribute__((target("avx512f,avx512bw,avx512vbmi"), no_sanitize("addres" \
                                                                    "s")))
#else
#define EPLB_HAVE_AVX512 0
#endif

namespace eplb {

inline bool CpuHasAvx512() {
#if EPLB_HAVE_AVX512
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

}  // namespace eplb

#endif  // EPLB_POLICIES_LOAD_ORDER_AVX512_H_
