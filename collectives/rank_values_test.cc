#include "collectives/rank_values.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(RankValuesTest, ShortensRunsOfRanks) {
  EXPECT_EQ(RankList({3}), "rank 3");
  EXPECT_EQ(RankList({0, 2}), "ranks 0, 2");
  EXPECT_EQ(RankList({0, 1, 2, 5, 7, 8}), "ranks 0-2, 5, 7-8");
}

TEST(RankValuesTest, ListsEachValueOnceWithItsRanks) {
  EXPECT_EQ(DescribeRankValues({"64", "32", "64", "64"}),
            "64 on ranks 0, 2-3; 32 on rank 1");
  EXPECT_EQ(DescribeRankValues({"64", "64"}), "64 on ranks 0-1");
}

}  // namespace
}  // namespace eplb
