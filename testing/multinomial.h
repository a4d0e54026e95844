// DrawMultinomial: how many of a number of tokens fall on each of several
// experts, drawn at random, with the same bits everywhere.
//
//   DeterministicRandom random(/*seed=*/1);
//   DrawMultinomial(1000, {0.5, 0.25, 0.25}, random);  // Such as {507, 262,
//   231}

#ifndef EPLB_TESTING_MULTINOMIAL_H_
#define EPLB_TESTING_MULTINOMIAL_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "testing/deterministic_random.h"

namespace eplb {

// How many of `trials` succeed, each with `probability`. Below about 30
// expected successes (or failures) an exact draw; above, a normal variate
// corrected for skewness and rounded, at most 1e-3 away in distribution.
// `trials` is in [0, 2^53], `probability` in [0, 1].
int64_t DrawBinomial(int64_t trials, double probability,
                     DeterministicRandom& random);

// One count for each of `weights`, which are in proportion to the
// probabilities, finite and not negative, with at least one positive. The
// counts add up to `tokens`, which is in [0, 2^53]. Takes time for the
// weights, not for the tokens.
std::vector<int64_t> DrawMultinomial(int64_t tokens,
                                     absl::Span<const double> weights,
                                     DeterministicRandom& random);

}  // namespace eplb

#endif  // EPLB_TESTING_MULTINOMIAL_H_
