#include "testing/deterministic_random.h"

#include <cmath>
#include <cstdint>

#include "eplb/core/stable_hash.h"
#include "testing/fixed_math.h"

namespace eplb {

DeterministicRandom::DeterministicRandom(uint64_t seed, uint64_t stream)
    : state_(StableHash().Add(seed).Add(stream).value()) {}

// SplitMix64 (Steele, Lea and Flood, 2014): a counter with an odd step, and a
// mix of its value.
uint64_t DeterministicRandom::NextWord() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t word = state_;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return word ^ (word >> 31);
}

int64_t DeterministicRandom::NextBelow(int64_t bound) {
  const auto divisor = static_cast<uint64_t>(bound);
  // 2^64 modulo the bound: so many words are too many for an even spread.
  const uint64_t surplus = (0 - divisor) % divisor;
  uint64_t word = NextWord();
  while (word < surplus) word = NextWord();
  return static_cast<int64_t>(word % divisor);
}

double DeterministicRandom::NextUniform() {
  return static_cast<double>(NextWord() >> 11) * 0x1p-53;
}

// The polar method: a point in the unit disc, turned into a normal variate.
double DeterministicRandom::NextNormal() {
  for (;;) {
    const double x = 2 * NextUniform() - 1;
    const double y = 2 * NextUniform() - 1;
    const double radius = x * x + y * y;
    if (radius > 0 && radius < 1) {
      return x * std::sqrt(-2 * FixedLog(radius) / radius);
    }
  }
}

}  // namespace eplb
