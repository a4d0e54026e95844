#include "testing/fixed_math.h"

#include <bit>
#include <cstdint>
#include <limits>

namespace eplb {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// log(2) in two parts. The first has 21 zero bits at its end: the product with
// an exponent is exact.
constexpr double kLog2High = 0x1.62e42feep-1;
constexpr double kLog2Low = 0x1.a39ef35793c76p-33;
constexpr double kInverseLog2 = 0x1.71547652b82fep+0;

constexpr int kMantissaBits = 52;
constexpr int kExponentBias = 1023;
constexpr uint64_t kMantissaMask = (uint64_t{1} << kMantissaBits) - 1;

// 2 to the power of `exponent`, which is in [-1022, 1023].
double PowerOfTwo(int exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + kExponentBias)
                               << kMantissaBits);
}

// log(x) for x in [sqrt(1/2), sqrt(2)]: with s = (x - 1) / (x + 1) it is
// 2 (s + s^3 / 3 + s^5 / 5 + ...), where |s| < 0.172.
double LogNearOne(double x) {
  const double s = (x - 1) / (x + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * square;
  return 2 * s + 2 * s * sum;
}

}  // namespace

double FixedExp(double x) {
  if (x != x) return x;
  if (x > 710) return kInfinity;
  if (x < -746) return 0;
  // x = k log(2) + rest, |rest| < 0.35.
  const int k = static_cast<int>(x * kInverseLog2 + (x < 0 ? -0.5 : 0.5));
  const double rest = (x - k * kLog2High) - k * kLog2Low;
  // Taylor's series; the term left out is below 1e-17.
  double sum = 1;
  for (int n = 13; n >= 2; --n) sum = 1 + sum * rest / n;
  const double power = 1 + rest * sum;
  // In two factors, as 2^k alone may be out of range where the result is not.
  const int half = k / 2;
  return power * PowerOfTwo(half) * PowerOfTwo(k - half);
}

double FixedLog(double x) {
  if (x != x || x == kInfinity) return x;
  if (x < 0) return kNan;
  if (x == 0) return -kInfinity;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= PowerOfTwo(54);
    exponent = -54;
  }
  // x = mantissa * 2^exponent, the mantissa near 1.
  const auto bits = std::bit_cast<uint64_t>(x);
  exponent += static_cast<int>(bits >> kMantissaBits) - kExponentBias;
  double mantissa = std::bit_cast<double>((bits & kMantissaMask) |
                                          std::bit_cast<uint64_t>(1.0));
  constexpr double kSqrt2 = 0x1.6a09e667f3bcdp+0;
  if (mantissa > kSqrt2) {
    mantissa /= 2;
    ++exponent;
  }
  return exponent * kLog2High + (LogNearOne(mantissa) + exponent * kLog2Low);
}

double FixedLog1p(double x) {
  const double sum = 1 + x;
  if (sum == 1) return x;
  if (sum == kInfinity) return sum;
  // The factor makes good what the sum lost of x.
  return FixedLog(sum) * (x / (sum - 1));
}

double FixedPow(double base, double exponent) {
  return FixedExp(exponent * FixedLog(base));
}

}  // namespace eplb
