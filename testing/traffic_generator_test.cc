#include "testing/traffic_generator.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/stable_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"
#include "testing/traffic.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TrafficGenerator Generator(absl::string_view spec, int num_layers,
                           int num_experts, uint64_t seed = 1) {
  return *TrafficGenerator::Create(*ParseTrafficSpec(spec), num_layers,
                                   num_experts, seed);
}

uint64_t HashOf(const ExpertLoads& loads) {
  StableHash hash;
  for (const int64_t load : loads.values()) {
    hash.Add(static_cast<uint64_t>(load));
  }
  return hash.value();
}

// Mean over maximum, were each expert on a rank of its own.
double Evenness(absl::Span<const double> probabilities) {
  return 1 / (*std::max_element(probabilities.begin(), probabilities.end()) *
              probabilities.size());
}

std::vector<double> LogShares(absl::Span<const double> probabilities) {
  std::vector<double> logs;
  for (const double share : probabilities) logs.push_back(std::log(share));
  return logs;
}

// Pearson's correlation.
double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = a.size();
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

TEST(TrafficGeneratorTest, HasTheSameBitsEverywhere) {
  TrafficGenerator zipf = Generator("zipf:1.0", 2, 4);
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads, zipf.Next(1000));
  EXPECT_THAT(loads.values(),
              ElementsAre(166, 242, 476, 116, 480, 122, 255, 143));

  TrafficGenerator lognormal = Generator("lognormal:1.2", 1, 4);
  EXPECT_THAT(lognormal.Probabilities(0),
              ElementsAre(0x1.c0cffad2565f1p-4, 0x1.4eb1a79a5dca1p-3,
                          0x1.5e2e7bd436dp-1, 0x1.60b1aeae6f19bp-5));
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads expected,
                            lognormal.NextExpected(1000));
  EXPECT_THAT(expected.values(), ElementsAre(110, 163, 684, 43));
}

TEST(TrafficGeneratorTest, ABigDrawHasTheSameBitsEverywhere) {
  const std::pair<absl::string_view, uint64_t> kExpected[] = {
      {"uniform", 0x9e0e7c95fdb98046u},
      {"zipf:1.2,drift=0.9", 0x95bf41f2e2a5caedu},
      {"lognormal:1.2,drift=0.99", 0xfd02c58e3e8c41a0u},
  };
  for (const auto& [spec, expected] : kExpected) {
    SCOPED_TRACE(spec);
    TrafficGenerator traffic = Generator(spec, 58, 256, /*seed=*/7);
    StableHash hash;
    for (int step = 0; step < 5; ++step) {
      EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads, traffic.Next(1000000));
      hash.Add(HashOf(loads));
    }
    EXPECT_EQ(hash.value(), expected);
  }
}

TEST(TrafficGeneratorTest, EveryLayerAddsUpToItsTokens) {
  DeterministicRandom random(5);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(absl::StrCat("seed 5, round ", round));
    const TrafficSpec spec{
        .skew = static_cast<TrafficSkew>(random.NextBelow(3)),
        .strength = 16 * random.NextUniform(),
        .drift = random.NextUniform()};
    EPLB_ASSERT_OK_AND_ASSIGN(
        TrafficGenerator traffic,
        TrafficGenerator::Create(spec, 1 + random.NextBelow(4),
                                 1 + random.NextBelow(300), round));
    const int64_t tokens =
        round == 0 ? ExpertLoads::kMaxLoad
                   : random.NextBelow(int64_t{1} << random.NextBelow(54));
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads drawn, traffic.Next(tokens));
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads expected,
                              traffic.NextExpected(tokens));
    for (int layer = 0; layer < traffic.num_layers(); ++layer) {
      EXPECT_EQ(drawn.layer_total(layer), tokens);
      EXPECT_EQ(expected.layer_total(layer), tokens);
      const absl::Span<const double> shares = traffic.Probabilities(layer);
      EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-12);
    }
  }
}

TEST(TrafficGeneratorTest, SeedsAndLayersDiffer) {
  TrafficGenerator traffic = Generator("zipf:1.0", 2, 64, /*seed=*/1);
  TrafficGenerator other = Generator("zipf:1.0", 2, 64, /*seed=*/2);
  EXPECT_NE(traffic.Probabilities(0), other.Probabilities(0));
  EXPECT_NE(traffic.Probabilities(0), traffic.Probabilities(1));
}

TEST(TrafficGeneratorTest, ALayerDoesNotDependOnTheOthers) {
  TrafficGenerator few = Generator("lognormal:1,drift=0.9", 2, 8);
  TrafficGenerator many = Generator("lognormal:1,drift=0.9", 5, 8);
  for (int step = 0; step < 3; ++step) {
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads a, few.Next(1000));
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads b, many.Next(1000));
    EXPECT_EQ(a.layer(0), b.layer(0));
    EXPECT_EQ(a.layer(1), b.layer(1));
  }
}

TEST(TrafficGeneratorTest, UniformTrafficIsUniform) {
  TrafficGenerator traffic = Generator("uniform,drift=0.5", 2, 8);
  EXPECT_THAT(traffic.Probabilities(1), Each(0.125));
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads expected,
                            traffic.NextExpected(800));
  EXPECT_THAT(expected.values(), Each(100));
  EXPECT_THAT(traffic.Probabilities(1), Each(0.125));
}

TEST(TrafficGeneratorTest, ZipfSharesFollowThePowerLaw) {
  TrafficGenerator traffic = Generator("zipf:1.5,drift=0.8", 3, 40);
  std::vector<double> expected;
  for (int rank = 1; rank <= 40; ++rank) {
    expected.push_back(std::pow(rank, -1.5));
  }
  const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
  // Drift leaves the skew of every step as it was.
  for (int step = 0; step < 10; ++step) {
    for (int layer = 0; layer < 3; ++layer) {
      const absl::Span<const double> shares = traffic.Probabilities(layer);
      std::vector<double> sorted(shares.begin(), shares.end());
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      for (int i = 0; i < 40; ++i) {
        EXPECT_NEAR(sorted[i], expected[i] / sum, 1e-12);
      }
    }
    EPLB_ASSERT_OK(traffic.Next(1));
  }
}

TEST(TrafficGeneratorTest, AnyExpertMayBeTheHottest) {
  TrafficGenerator traffic = Generator("zipf:1.0", 4000, 8);
  std::vector<int> hottest(8, 0);
  for (int layer = 0; layer < 4000; ++layer) {
    const absl::Span<const double> shares = traffic.Probabilities(layer);
    ++hottest[std::max_element(shares.begin(), shares.end()) - shares.begin()];
  }
  for (const int count : hottest) EXPECT_NEAR(count, 500, 130);
}

TEST(TrafficGeneratorTest, LognormalLogSharesHaveTheDeviationAskedFor) {
  for (const bool drifted : {false, true}) {
    TrafficGenerator traffic = Generator("lognormal:1.2,drift=0.9", 1, 20000);
    for (int step = 0; drifted && step < 30; ++step) {
      EPLB_ASSERT_OK(traffic.Next(1));
    }
    const std::vector<double> logs = LogShares(traffic.Probabilities(0));
    const double mean = std::accumulate(logs.begin(), logs.end(), 0.0) / 20000;
    double variance = 0;
    for (const double log : logs) {
      variance += (log - mean) * (log - mean) / 20000;
    }
    // The process keeps its distribution for ever.
    EXPECT_NEAR(std::sqrt(variance), 1.2, 0.04) << "drifted: " << drifted;
  }
}

TEST(TrafficGeneratorTest, DriftKeepsAShareRhoOfTheLogLoads) {
  TrafficGenerator traffic = Generator("lognormal:1.2,drift=0.9", 1, 20000);
  const std::vector<double> first = LogShares(traffic.Probabilities(0));
  double expected = 1;
  for (int step = 1; step <= 8; ++step) {
    EPLB_ASSERT_OK(traffic.Next(1));
    expected *= 0.9;
    EXPECT_NEAR(Correlation(first, LogShares(traffic.Probabilities(0))),
                expected, 0.03)
        << "step " << step;
  }
}

TEST(TrafficGeneratorTest, WithoutDriftTheSharesStay) {
  for (const absl::string_view spec : {"zipf:1.0", "lognormal:1.0,drift=1"}) {
    TrafficGenerator traffic = Generator(spec, 1, 16);
    const absl::Span<const double> shares = traffic.Probabilities(0);
    const std::vector<double> before(shares.begin(), shares.end());
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads first, traffic.Next(1000));
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads second, traffic.Next(1000));
    EXPECT_EQ(traffic.Probabilities(0), absl::MakeConstSpan(before));
    // The draws are new ones all the same.
    EXPECT_NE(first, second);
  }
}

TEST(TrafficGeneratorTest, DriftChangesWhichExpertsAreHot) {
  TrafficGenerator traffic = Generator("zipf:1.0,drift=0", 1, 1000);
  const std::vector<double> before = LogShares(traffic.Probabilities(0));
  EPLB_ASSERT_OK(traffic.Next(1));
  EXPECT_NEAR(Correlation(before, LogShares(traffic.Probabilities(0))), 0, 0.2);
}

TEST(TrafficGeneratorTest, DrawnLoadsFollowTheProbabilities) {
  TrafficGenerator traffic = Generator("zipf:1.0,drift=0.9", 4, 256);
  for (int step = 0; step < 5; ++step) {
    const TrafficGenerator before = traffic;
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads, traffic.Next(1000000));
    for (int layer = 0; layer < 4; ++layer) {
      double chi_square = 0;
      for (int expert = 0; expert < 256; ++expert) {
        const double mean = 1e6 * before.Probabilities(layer)[expert];
        const double off = loads.at(layer, expert) - mean;
        chi_square += off * off / mean;
      }
      // 255 degrees of freedom; the bounds are six deviations away.
      EXPECT_NEAR(chi_square, 255, 136);
    }
  }
}

TEST(TrafficGeneratorTest, ExpectedLoadsAreWithinOneOfTheExpectation) {
  TrafficGenerator traffic = Generator("lognormal:2,drift=0.5", 3, 100);
  for (int step = 0; step < 5; ++step) {
    const TrafficGenerator before = traffic;
    EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads,
                              traffic.NextExpected(100000));
    for (int layer = 0; layer < 3; ++layer) {
      for (int expert = 0; expert < 100; ++expert) {
        EXPECT_NEAR(loads.at(layer, expert),
                    1e5 * before.Probabilities(layer)[expert], 1.0001);
      }
    }
  }
}

TEST(TrafficGeneratorTest, TheDriftDoesNotDependOnTheDraws) {
  TrafficGenerator drawn = Generator("lognormal:1,drift=0.9", 2, 16);
  TrafficGenerator expected = drawn;
  for (int step = 0; step < 4; ++step) {
    EPLB_ASSERT_OK(drawn.Next(1000 * step));
    EPLB_ASSERT_OK(expected.NextExpected(5));
    EXPECT_EQ(drawn.Probabilities(1), expected.Probabilities(1));
  }
}

TEST(TrafficGeneratorTest, MoreStrengthIsMoreSkew) {
  EXPECT_LT(Evenness(Generator("zipf:1.5", 1, 64).Probabilities(0)),
            Evenness(Generator("zipf:0.5", 1, 64).Probabilities(0)));
  EXPECT_LT(Evenness(Generator("lognormal:2", 1, 64).Probabilities(0)),
            Evenness(Generator("lognormal:0.5", 1, 64).Probabilities(0)));
  EXPECT_THAT(Generator("zipf:0", 1, 64).Probabilities(0), Each(1.0 / 64));
  EXPECT_THAT(Generator("lognormal:0", 1, 64).Probabilities(0), Each(1.0 / 64));
}

TEST(TrafficGeneratorTest, RefusesSizesOutOfRange) {
  constexpr int kLargest = std::numeric_limits<int>::max();
  for (const auto& [layers, experts] :
       {std::pair(0, 8), std::pair(-1, 8), std::pair(8, 0), std::pair(8, -1),
        std::pair(kLargest, kLargest), std::pair(1 << 20, 1 << 20)}) {
    EXPECT_THAT(
        TrafficGenerator::Create(TrafficSpec{}, layers, experts, 1).status(),
        StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(TrafficGeneratorTest, RefusesASpecOutOfRange) {
  EXPECT_THAT(
      TrafficGenerator::Create(TrafficSpec{.drift = 2}, 1, 1, 1).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("RHO is 2")));
}

TEST(TrafficGeneratorTest, RefusesTokensOutOfRangeAndGoesOn) {
  TrafficGenerator traffic = Generator("zipf:1.0,drift=0.5", 2, 16);
  TrafficGenerator untouched = traffic;
  EXPECT_THAT(traffic.Next(-1).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "tokens_per_layer is -1; it must be in "
                       "[0, 9007199254740992]"));
  EXPECT_THAT(traffic.NextExpected(ExpertLoads::kMaxLoad + 1).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads a, traffic.Next(1000));
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads b, untouched.Next(1000));
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace eplb
