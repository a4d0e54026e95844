// WeightPattern: bytes for expert weights that show which layer, expert,
// tensor and place they belong to, so that no row can pass for another.
//
//   FillRow({.layer = 3, .expert = 7, .tensor = 0}, row);
//   EXPECT_TRUE(HoldsRow({.layer = 3, .expert = 7, .tensor = 0}, row));

#ifndef EPLB_TESTING_WEIGHT_PATTERN_H_
#define EPLB_TESTING_WEIGHT_PATTERN_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// What a row holds. Expert -1 stands for what nobody should serve: poison for
// slots that are empty and memory that is fresh.
struct WeightRow {
  int layer = 0;
  int expert = -1;
  int tensor = 0;
};

void FillRow(const WeightRow& row, absl::Span<std::byte> bytes);
bool HoldsRow(const WeightRow& row, absl::Span<const std::byte> bytes);

}  // namespace eplb

#endif  // EPLB_TESTING_WEIGHT_PATTERN_H_
