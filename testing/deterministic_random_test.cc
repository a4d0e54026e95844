#include "testing/deterministic_random.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr int kDraws = 100000;

TEST(DeterministicRandomTest, HasTheSameBitsEverywhere) {
  DeterministicRandom random(42);
  EXPECT_EQ(random.NextWord(), 0x40696d864fc3c3cau);
  EXPECT_EQ(random.NextWord(), 0xfe539a1064426a44u);
  EXPECT_EQ(random.NextBelow(1000), 951);
  EXPECT_EQ(random.NextUniform(), 0x1.2b383b3472fb6p-2);
  EXPECT_EQ(random.NextNormal(), 0x1.a57617dd2b404p+0);
  EXPECT_EQ(random.NextNormal(), 0x1.4f9676bc9515dp+0);
}

TEST(DeterministicRandomTest, SeedAndStreamDecideTheNumbers) {
  EXPECT_EQ(DeterministicRandom(1, 2).NextWord(),
            DeterministicRandom(1, 2).NextWord());
  EXPECT_NE(DeterministicRandom(1, 2).NextWord(),
            DeterministicRandom(1, 3).NextWord());
  EXPECT_NE(DeterministicRandom(1, 2).NextWord(),
            DeterministicRandom(2, 2).NextWord());
  EXPECT_NE(DeterministicRandom(1, 2).NextWord(),
            DeterministicRandom(2, 1).NextWord());
  EXPECT_EQ(DeterministicRandom(1).NextWord(),
            DeterministicRandom(1, 0).NextWord());
}

TEST(DeterministicRandomTest, ACopyGoesOnWithTheSameNumbers) {
  DeterministicRandom random(7);
  random.NextWord();
  DeterministicRandom copy = random;
  EXPECT_EQ(copy.NextWord(), random.NextWord());
}

TEST(DeterministicRandomTest, EveryBitIsSetHalfOfTheTime) {
  DeterministicRandom random(1);
  std::vector<int> set(64, 0);
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t word = random.NextWord();
    for (int bit = 0; bit < 64; ++bit) set[bit] += (word >> bit) & 1;
  }
  // Six standard deviations.
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_NEAR(set[bit], kDraws / 2, 3 * std::sqrt(kDraws)) << "bit " << bit;
  }
}

TEST(DeterministicRandomTest, BoundedIntegersAreSpreadEvenly) {
  DeterministicRandom random(2);
  std::vector<int> count(10, 0);
  for (int i = 0; i < kDraws; ++i) {
    const int64_t value = random.NextBelow(10);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 10);
    ++count[value];
  }
  for (const int n : count) EXPECT_NEAR(n, kDraws / 10, 600);
}

TEST(DeterministicRandomTest, BoundedIntegersTakeEveryBound) {
  DeterministicRandom random(3);
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  int upper_half = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(random.NextBelow(1), 0);
    const int64_t value = random.NextBelow(kLargest);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, kLargest);
    upper_half += value > kLargest / 2;
  }
  EXPECT_NEAR(upper_half, 500, 100);
}

TEST(DeterministicRandomTest, UniformsFillTheUnitInterval) {
  DeterministicRandom random(4);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.NextUniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 0.006);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.006);
}

TEST(DeterministicRandomTest, NormalsHaveTheMomentsOfANormal) {
  DeterministicRandom random(5);
  double sums[5] = {};
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.NextNormal();
    double power = 1;
    for (double& sum : sums) {
      sum += power / kDraws;
      power *= value;
    }
    beyond_two += std::abs(value) > 2;
  }
  EXPECT_NEAR(sums[1], 0, 0.02);
  EXPECT_NEAR(sums[2], 1, 0.03);
  EXPECT_NEAR(sums[3], 0, 0.08);
  EXPECT_NEAR(sums[4], 3, 0.2);
  EXPECT_NEAR(beyond_two, 0.0455 * kDraws, 400);
}

}  // namespace
}  // namespace eplb
