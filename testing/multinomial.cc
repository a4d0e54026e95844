#include "testing/multinomial.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "testing/deterministic_random.h"
#include "testing/fixed_math.h"

namespace eplb {
namespace {

// From here on the normal approximation is used.
constexpr double kManySuccesses = 30;

// Walks up the probabilities of 0, 1, 2, ... successes to a uniform variate.
int64_t DrawFewSuccesses(int64_t trials, double probability,
                         DeterministicRandom& random) {
  // More has a chance below 1e-100; the rounding of the sum must not lead
  // there.
  const int64_t most = std::min<int64_t>(trials, 300);
  const double odds = probability / (1 - probability);
  double left = random.NextUniform();
  double chance =
      FixedExp(static_cast<double>(trials) * FixedLog1p(-probability));
  int64_t successes = 0;
  while (left >= chance && successes < most) {
    left -= chance;
    chance *= odds * static_cast<double>(trials - successes) /
              static_cast<double>(successes + 1);
    ++successes;
  }
  return successes;
}

// The first terms of the Cornish-Fisher expansion.
int64_t DrawManySuccesses(int64_t trials, double probability,
                          DeterministicRandom& random) {
  const auto n = static_cast<double>(trials);
  const double mean = n * probability;
  const double normal = random.NextNormal();
  const double skew = (1 - 2 * probability) * (normal * normal - 1) / 6;
  const double value =
      mean + std::sqrt(mean * (1 - probability)) * normal + skew;
  return static_cast<int64_t>(std::clamp(value + 0.5, 0.0, n));
}

}  // namespace

int64_t DrawBinomial(int64_t trials, double probability,
                     DeterministicRandom& random) {
  if (trials == 0 || probability == 0) return 0;
  if (probability > 0.5) {
    return trials - DrawBinomial(trials, 1 - probability, random);
  }
  if (static_cast<double>(trials) * probability < kManySuccesses) {
    return DrawFewSuccesses(trials, probability, random);
  }
  return DrawManySuccesses(trials, probability, random);
}

std::vector<int64_t> DrawMultinomial(int64_t tokens,
                                     absl::Span<const double> weights,
                                     DeterministicRandom& random) {
  // Added up from the back, so that each sum has the rounding of its own
  // terms only.
  std::vector<double> weight_from(weights.size() + 1, 0);
  for (size_t i = weights.size(); i > 0; --i) {
    weight_from[i - 1] = weight_from[i] + weights[i - 1];
  }
  std::vector<int64_t> counts(weights.size(), 0);
  for (size_t i = 0; i < weights.size() && tokens > 0; ++i) {
    // The share is exactly 1 where no weight follows.
    counts[i] = DrawBinomial(tokens, weights[i] / weight_from[i], random);
    tokens -= counts[i];
  }
  return counts;
}

}  // namespace eplb
