#include "testing/weight_pattern.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(WeightPatternTest, TellsRowsApart) {
  std::vector<std::byte> row(61);
  FillRow({.layer = 1, .expert = 2, .tensor = 3}, absl::MakeSpan(row));
  EXPECT_TRUE(HoldsRow({.layer = 1, .expert = 2, .tensor = 3}, row));
  EXPECT_FALSE(HoldsRow({.layer = 2, .expert = 2, .tensor = 3}, row));
  EXPECT_FALSE(HoldsRow({.layer = 1, .expert = 3, .tensor = 3}, row));
  EXPECT_FALSE(HoldsRow({.layer = 1, .expert = 2, .tensor = 2}, row));
  EXPECT_FALSE(HoldsRow({.layer = 1, .expert = -1, .tensor = 3}, row));
}

TEST(WeightPatternTest, SeesEveryWrongByte) {
  std::vector<std::byte> row(61);
  FillRow({.expert = 2}, absl::MakeSpan(row));
  for (std::byte& byte : row) {
    byte ^= std::byte{1};
    EXPECT_FALSE(HoldsRow({.expert = 2}, row));
    byte ^= std::byte{1};
  }
}

TEST(WeightPatternTest, SeesBytesInAnotherPlace) {
  std::vector<std::byte> row(64);
  FillRow({.expert = 2}, absl::MakeSpan(row));
  std::rotate(row.begin(), row.begin() + 8, row.end());
  EXPECT_FALSE(HoldsRow({.expert = 2}, row));
}

}  // namespace
}  // namespace eplb
