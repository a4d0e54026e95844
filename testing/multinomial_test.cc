#include "testing/multinomial.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eplb/core/stable_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(MultinomialTest, HasTheSameBitsEverywhere) {
  DeterministicRandom random(42);
  EXPECT_THAT(DrawMultinomial(1000, {0.5, 0.25, 0.25, 0.01}, random),
              ElementsAre(507, 260, 222, 11));
  EXPECT_THAT(DrawMultinomial(int64_t{1} << 53, {1, 2}, random),
              ElementsAre(3002399781390580, 6004799473350412));
  std::vector<double> weights(1000);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0 / (1.0 + i);
  StableHash hash;
  for (int tokens = 1; tokens <= 1 << 20; tokens *= 2) {
    for (const int64_t count : DrawMultinomial(tokens, weights, random)) {
      hash.Add(static_cast<uint64_t>(count));
    }
  }
  EXPECT_EQ(hash.value(), 0x82c52ef72c5e8eefu);
}

TEST(MultinomialTest, CountsAddUpToTheTokens) {
  DeterministicRandom random(1);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(absl::StrCat("seed 1, round ", round));
    std::vector<double> weights(1 + random.NextBelow(40));
    for (double& weight : weights) {
      weight = random.NextBelow(4) == 0 ? 0 : random.NextUniform();
    }
    weights[random.NextBelow(weights.size())] = 1;
    const int64_t tokens = random.NextBelow(int64_t{1} << random.NextBelow(54));

    const std::vector<int64_t> counts =
        DrawMultinomial(tokens, weights, random);

    ASSERT_EQ(counts.size(), weights.size());
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}),
              tokens);
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_GE(counts[i], 0) << i;
      EXPECT_TRUE(weights[i] > 0 || counts[i] == 0) << i;
    }
  }
}

TEST(MultinomialTest, TakesTheEnds) {
  DeterministicRandom random(1);
  EXPECT_THAT(DrawMultinomial(0, {1, 2, 3}, random), Each(0));
  EXPECT_THAT(DrawMultinomial(7, {1}, random), ElementsAre(7));
  EXPECT_THAT(DrawMultinomial(7, {0, 1, 0}, random), ElementsAre(0, 7, 0));
  EXPECT_THAT(DrawMultinomial(7, {1e-300, 1e300}, random), ElementsAre(0, 7));
  EXPECT_EQ(DrawBinomial(100, 0, random), 0);
  EXPECT_EQ(DrawBinomial(100, 1, random), 100);
  EXPECT_EQ(DrawBinomial(0, 0.5, random), 0);
}

// The chance of each number of successes, from the definition.
std::vector<double> BinomialChances(int trials, double probability) {
  std::vector<double> chances;
  for (int k = 0; k <= trials; ++k) {
    chances.push_back(std::exp(std::lgamma(trials + 1) - std::lgamma(k + 1) -
                               std::lgamma(trials - k + 1) +
                               k * std::log(probability) +
                               (trials - k) * std::log(1 - probability)));
  }
  return chances;
}

struct BinomialCase {
  int trials;
  double probability;
};

class BinomialTest : public ::testing::TestWithParam<BinomialCase> {};

// Few and many successes, also mirrored, and either side of the change from
// one method to the other.
INSTANTIATE_TEST_SUITE_P(
    Methods, BinomialTest,
    ::testing::Values(BinomialCase{1, 0.5}, BinomialCase{10, 0.3},
                      BinomialCase{10, 0.9}, BinomialCase{1000, 0.002},
                      BinomialCase{1000, 0.0299}, BinomialCase{1000, 0.0301},
                      BinomialCase{1000, 0.98}, BinomialCase{200, 0.5},
                      BinomialCase{5000, 0.2}),
    [](const auto& info) {
      return absl::StrCat(info.param.trials, "_",
                          std::lround(info.param.probability * 10000));
    });

TEST_P(BinomialTest, FollowsTheBinomialDistribution) {
  constexpr int kDraws = 100000;
  const auto [trials, probability] = GetParam();
  DeterministicRandom random(3);
  std::vector<double> drawn(trials + 1, 0);
  for (int i = 0; i < kDraws; ++i) {
    drawn[DrawBinomial(trials, probability, random)] += 1.0 / kDraws;
  }
  // The largest distance of the cumulative distributions (Kolmogorov and
  // Smirnov): above 0.007 in one of 10^4 samples of this size.
  const std::vector<double> chances = BinomialChances(trials, probability);
  double distance = 0;
  double below = 0;
  for (int k = 0; k <= trials; ++k) {
    below += drawn[k] - chances[k];
    distance = std::max(distance, std::abs(below));
  }
  EXPECT_LT(distance, 0.008);
}

TEST(MultinomialTest, CountsVaryAndCovaryAsAMultinomialDoes) {
  constexpr int kRounds = 20000;
  constexpr int kTokens = 1000;
  const std::vector<double> share = {0.5, 0.3, 0.19, 0.01};
  DeterministicRandom random(4);
  double mean[4] = {};
  double product[4][4] = {};
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<int64_t> counts = DrawMultinomial(kTokens, share, random);
    for (int i = 0; i < 4; ++i) {
      const double deviation = counts[i] - kTokens * share[i];
      mean[i] += deviation / kRounds;
      for (int j = 0; j < 4; ++j) {
        product[i][j] += deviation * (counts[j] - kTokens * share[j]) / kRounds;
      }
    }
  }
  for (int i = 0; i < 4; ++i) {
    const double variance = kTokens * share[i] * (1 - share[i]);
    EXPECT_NEAR(mean[i], 0, 6 * std::sqrt(variance / kRounds)) << i;
    EXPECT_NEAR(product[i][i], variance, 0.06 * variance) << i;
    for (int j = 0; j < i; ++j) {
      EXPECT_NEAR(product[i][j], -kTokens * share[i] * share[j],
                  0.06 * kTokens * std::sqrt(share[i] * share[j]))
          << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace eplb
