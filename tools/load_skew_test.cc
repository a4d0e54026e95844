#include "tools/load_skew.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(LoadSkewTest, MeasuresTheHottestAgainstTheMean) {
  const std::vector<int64_t> loads = {1, 6, 0, 6, 2};
  const LoadSkew skew = MeasureSkew(loads, /*num_hottest=*/3);
  EXPECT_EQ(skew.total_load, 15);
  EXPECT_DOUBLE_EQ(skew.max_over_mean, 2);
  EXPECT_EQ(skew.idle_experts, 1);
  EXPECT_THAT(skew.hottest_experts, ElementsAre(1, 3, 4));
}

TEST(LoadSkewTest, ALayerWithoutLoadHasNoSkew) {
  const std::vector<int64_t> loads = {0, 0};
  const LoadSkew skew = MeasureSkew(loads, /*num_hottest=*/3);
  EXPECT_EQ(skew.max_over_mean, 0);
  EXPECT_EQ(skew.idle_experts, 2);
  EXPECT_THAT(skew.hottest_experts, ElementsAre(0, 1));
}

}  // namespace
}  // namespace eplb
