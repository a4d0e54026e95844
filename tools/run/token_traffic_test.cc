#include "tools/run/token_traffic.h"

#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "eplb/load/recorded_loads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/traffic.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TokenTraffic Zipf(uint64_t seed, int rank) {
  return *TokenTraffic::Synthetic({.skew = TrafficSkew::kZipf, .strength = 1},
                                  /*num_layers=*/2, /*num_logical_experts=*/16,
                                  seed, rank);
}

TokenTraffic Recorded(std::vector<int64_t> loads, int64_t steps, int64_t layers,
                      int64_t experts) {
  return TokenTraffic::Recorded(
      std::make_shared<RecordedLoads>(
          *RecordedLoads::Create({.num_steps = steps,
                                  .num_layers = layers,
                                  .num_logical_experts = experts},
                                 std::move(loads))),
      /*seed=*/1, /*rank=*/0);
}

std::vector<int32_t> Draw(TokenTraffic& traffic, int layer, int tokens) {
  std::vector<int32_t> experts(tokens * kExpertsPerToken);
  traffic.DrawExperts(layer, absl::MakeSpan(experts));
  return experts;
}

std::vector<int> Counts(const std::vector<int32_t>& experts, int num_experts) {
  std::vector<int> counts(num_experts);
  for (const int32_t expert : experts) ++counts[expert];
  return counts;
}

TEST(TokenTrafficTest, NoTokenGoesTwiceToAnExpert) {
  TokenTraffic traffic = Zipf(1, 0);
  for (int step = 0; step < 50; ++step) {
    for (int layer = 0; layer < 2; ++layer) {
      const std::vector<int32_t> experts = Draw(traffic, layer, 100);
      for (size_t i = 0; i < experts.size(); i += kExpertsPerToken) {
        ASSERT_GE(experts[i], 0);
        ASSERT_LT(experts[i], 16);
        ASSERT_GE(experts[i + 1], 0);
        ASSERT_LT(experts[i + 1], 16);
        ASSERT_NE(experts[i], experts[i + 1]);
      }
    }
    ASSERT_THAT(traffic.NextStep(), IsOk());
  }
}

TEST(TokenTrafficTest, RanksDrawOtherTokensOfTheSamePopularity) {
  TokenTraffic first = Zipf(3, 0);
  TokenTraffic second = Zipf(3, 1);
  const std::vector<int32_t> of_first = Draw(first, 0, 20000);
  const std::vector<int32_t> of_second = Draw(second, 0, 20000);
  EXPECT_NE(of_first, of_second);
  const std::vector<int> counts = Counts(of_first, 16);
  const std::vector<int> others = Counts(of_second, 16);
  for (int expert = 0; expert < 16; ++expert) {
    // Six deviations of a count of 20,000 draws.
    EXPECT_NEAR(counts[expert], others[expert], 850) << expert;
  }
}

TEST(TokenTrafficTest, TheSameSeedAndRankDrawTheSame) {
  TokenTraffic first = Zipf(3, 1);
  TokenTraffic second = Zipf(3, 1);
  EXPECT_EQ(Draw(first, 1, 100), Draw(second, 1, 100));
}

TEST(TokenTrafficTest, RecordedStepsComeInTheirOrderAndAgain) {
  TokenTraffic traffic = Recorded({1, 1, 0, 0, 0, 0, 1, 1}, 2, 1, 4);
  for (int step = 0; step < 6; ++step) {
    const int base = step % 2 == 0 ? 0 : 2;
    const std::vector<int32_t> experts = Draw(traffic, 0, 50);
    EXPECT_EQ(std::set<int32_t>(experts.begin(), experts.end()),
              (std::set<int32_t>{base, base + 1}))
        << step;
    ASSERT_THAT(traffic.NextStep(), IsOk());
  }
}

TEST(TokenTrafficTest, SharesFollowTheRecord) {
  TokenTraffic traffic = Recorded({0, 600, 300, 100}, 1, 1, 4);
  std::vector<int> firsts(4);
  const std::vector<int32_t> experts = Draw(traffic, 0, 10000);
  for (size_t i = 0; i < experts.size(); i += kExpertsPerToken) {
    ++firsts[experts[i]];
  }
  EXPECT_EQ(firsts[0], 0);
  EXPECT_NEAR(firsts[1], 6000, 300);
  EXPECT_NEAR(firsts[2], 3000, 280);
  EXPECT_NEAR(firsts[3], 1000, 180);
}

TEST(TokenTrafficTest, WhereNobodyIsPopularTokensGoNowhere) {
  TokenTraffic traffic = Recorded({0, 0, 0, /*layer 1:*/ 0, 5, 0}, 1, 2, 3);
  EXPECT_THAT(Draw(traffic, 0, 10), Each(-1));
  EXPECT_THAT(Draw(traffic, 1, 2), ElementsAre(1, -1, 1, -1));
}

}  // namespace
}  // namespace eplb
