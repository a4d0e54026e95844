// Exponential and logarithm whose results have the same bits everywhere.
//
//   FixedExp(1.0);  // 0x1.5bf0a8b14576ap+1 with every compiler and library
//
// The functions of <cmath> differ in the last bit from one C library to the
// next; loads that are drawn with them would differ from machine to machine.
// These are made of + - * / on doubles alone, which IEEE 754 defines to the
// bit (as it does std::sqrt). The caller is compiled with DETERMINISTIC_COPTS
// too (eplb/copts.bzl). Thread-safe.

#ifndef EPLB_TESTING_FIXED_MATH_H_
#define EPLB_TESTING_FIXED_MATH_H_

namespace eplb {

// e to the power of `x`, to a relative error below 1e-15 where the result is a
// normal number.
double FixedExp(double x);

// The natural logarithm, to a relative error below 1e-15.
double FixedLog(double x);

// The natural logarithm of 1 + x, exact also for tiny x.
double FixedLog1p(double x);

// `base` to the power of `exponent`, for base > 0; the relative error is below
// 1e-15 times 1 + |log(result)|.
double FixedPow(double base, double exponent);

}  // namespace eplb

#endif  // EPLB_TESTING_FIXED_MATH_H_
