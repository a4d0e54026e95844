#include "eplb/state/background/stall_histogram.h"

#include <chrono>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(StallHistogramTest, CountsByPowersOfTenMicroseconds) {
  StallHistogram histogram;
  histogram.Add(std::chrono::nanoseconds(999));
  histogram.Add(std::chrono::microseconds(1));
  histogram.Add(std::chrono::microseconds(9));
  histogram.Add(std::chrono::milliseconds(99));
  histogram.Add(std::chrono::seconds(1));
  histogram.Add(std::chrono::hours(1));
  EXPECT_THAT(histogram.counts().buckets, ElementsAre(1, 2, 0, 0, 0, 1, 0, 2));
}

TEST(StallHistogramTest, KeepsTheLongestAndTheSum) {
  StallHistogram histogram;
  histogram.Add(std::chrono::seconds(1));
  histogram.Add(std::chrono::seconds(3));
  histogram.Add(std::chrono::seconds(2));
  EXPECT_EQ(histogram.counts().longest, std::chrono::seconds(3));
  EXPECT_EQ(histogram.counts().total, std::chrono::seconds(6));
}

}  // namespace
}  // namespace eplb
