#include "testing/fixed_math.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Uniform in [low, high).
double Between(double low, double high, DeterministicRandom& random) {
  return low + (high - low) * random.NextUniform();
}

void ExpectClose(double value, double expected, double relative_error) {
  EXPECT_LE(std::abs(value - expected), relative_error * std::abs(expected))
      << value << " is not near " << expected;
}

// The bits, not the values nearby: a compiler or library that changes them
// changes every load that is drawn.
TEST(FixedMathTest, HasTheSameBitsEverywhere) {
  EXPECT_EQ(FixedExp(1), 0x1.5bf0a8b14576ap+1);
  EXPECT_EQ(FixedExp(-0.3), 0x1.7b4c869c37c05p-1);
  EXPECT_EQ(FixedExp(300.7), 0x1.c3714f17ae742p+433);
  EXPECT_EQ(FixedLog(10), 0x1.26bb1bbb55516p+1);
  EXPECT_EQ(FixedLog(0.7), -0x1.6d3c324e13f5p-2);
  EXPECT_EQ(FixedLog1p(-1e-6), -0x1.0c6f82d72bfbdp-20);
  EXPECT_EQ(FixedPow(3, -1.2), 0x1.1200a0c3ddeb6p-2);
  EXPECT_EQ(FixedPow(255, 0.5), 0x1.feffbfdfebf1ep+3);
}

TEST(FixedMathTest, AgreesWithTheLibrary) {
  DeterministicRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    SCOPED_TRACE(i);
    const double x = Between(-700, 700, random);
    ExpectClose(FixedExp(x), std::exp(x), 1e-15);
    ExpectClose(FixedExp(x / 700), std::exp(x / 700), 1e-15);
    const double y = std::exp(x);
    ExpectClose(FixedLog(y), std::log(y), 1e-15);
    const double near_one = Between(0.5, 2, random);
    ExpectClose(FixedLog(near_one), std::log(near_one), 1e-15);
    const double small = Between(-0.6, 0.6, random) * std::exp(-std::abs(x));
    ExpectClose(FixedLog1p(small), std::log1p(small), 1e-15);
    const double base = Between(0.001, 1000, random);
    const double exponent = Between(-8, 8, random);
    ExpectClose(FixedPow(base, exponent), std::pow(base, exponent), 6e-14);
  }
}

TEST(FixedMathTest, ExpAndLogAreExactWhereTheResultIs) {
  EXPECT_EQ(FixedExp(0), 1);
  EXPECT_EQ(FixedLog(1), 0);
  EXPECT_EQ(FixedLog1p(0), 0);
  EXPECT_EQ(FixedLog1p(1e-300), 1e-300);
  EXPECT_EQ(FixedPow(7, 0), 1);
  EXPECT_EQ(FixedPow(1, 9), 1);
}

TEST(FixedMathTest, ExpEndsInZeroAndInfinity) {
  EXPECT_EQ(FixedExp(-kInfinity), 0);
  EXPECT_EQ(FixedExp(-800), 0);
  EXPECT_EQ(FixedExp(800), kInfinity);
  EXPECT_EQ(FixedExp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(FixedExp(kNan)));
  ExpectClose(FixedExp(709.7), std::exp(709.7), 1e-15);
  // Below the normal numbers: the spacing is the error.
  EXPECT_NEAR(FixedExp(-740), std::exp(-740.0), 1e-323);
}

TEST(FixedMathTest, LogTakesAllNumbers) {
  EXPECT_EQ(FixedLog(0), -kInfinity);
  EXPECT_EQ(FixedLog(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(FixedLog(-1)));
  EXPECT_TRUE(std::isnan(FixedLog(kNan)));
  EXPECT_EQ(FixedLog1p(-1), -kInfinity);
  EXPECT_EQ(FixedLog1p(kInfinity), kInfinity);
  ExpectClose(FixedLog(5e-324), std::log(5e-324), 1e-15);
  ExpectClose(FixedLog(1.7e308), std::log(1.7e308), 1e-15);
}

}  // namespace
}  // namespace eplb
