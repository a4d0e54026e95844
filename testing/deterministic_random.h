// DeterministicRandom: random numbers with the same bits for the same seed,
// with every compiler and library.
//
//   DeterministicRandom random(/*seed=*/1);
//   const int64_t rank = random.NextBelow(8);
//   const double load = FixedExp(1.2 * random.NextNormal());
//
// The distributions of <random> are each library's own; these are not.

#ifndef EPLB_TESTING_DETERMINISTIC_RANDOM_H_
#define EPLB_TESTING_DETERMINISTIC_RANDOM_H_

#include <cstdint>

namespace eplb {

// For tests and synthetic loads, not for secrets. Thread-compatible. Copies
// go on with the same numbers, each for itself.
class DeterministicRandom {
 public:
  // Generators of different seeds or streams are independent.
  explicit DeterministicRandom(uint64_t seed, uint64_t stream = 0);

  // 64 random bits.
  uint64_t NextWord();

  // In [0, bound), every value equally likely. `bound` is positive.
  int64_t NextBelow(int64_t bound);

  // In [0, 1), a multiple of 2^-53.
  double NextUniform();

  // Normal with mean 0 and variance 1.
  double NextNormal();

 private:
  uint64_t state_;
};

}  // namespace eplb

#endif  // EPLB_TESTING_DETERMINISTIC_RANDOM_H_
