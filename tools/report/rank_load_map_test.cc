#include "tools/report/rank_load_map.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(RankLoadMapTest, HoldsRankLoadsOverTheMeanOfTheirLayer) {
  const RankLoadMap map = MakeRankLoadMap(2, 3, {3, 1, 2, 0, 0, 0});
  EXPECT_THAT(map.cells, ElementsAre(1.5, 0.5, 1, 0, 0, 0));
  EXPECT_EQ(map.cell(0, 2), 1);
  EXPECT_EQ(map.RowName(1), "layer 1");
  EXPECT_EQ(map.ColumnName(2), "rank 2");
}

TEST(RankLoadMapTest, ManyRanksShareColumnsThatHaveTheLargest) {
  std::vector<double> loads(300, 1);
  loads[4] = 31;
  const RankLoadMap map = MakeRankLoadMap(1, 300, loads);
  EXPECT_EQ(map.ranks_per_column, 3);
  EXPECT_EQ(map.columns(), 100);
  EXPECT_DOUBLE_EQ(map.cell(0, 1), 31 / 1.1);
  EXPECT_DOUBLE_EQ(map.cell(0, 0), 1 / 1.1);
  EXPECT_EQ(map.ColumnName(1), "ranks 3 to 5");
}

TEST(RankLoadMapTest, TheLastColumnMayHaveFewer) {
  const RankLoadMap map = MakeRankLoadMap(1, 130, std::vector<double>(130, 2));
  EXPECT_EQ(map.columns(), 65);
  EXPECT_EQ(MakeRankLoadMap(1, 129, std::vector<double>(129, 2)).ColumnName(64),
            "rank 128");
}

TEST(RankLoadMapTest, ManyLayersShareRows) {
  std::vector<double> loads(400, 1);
  loads[2 * 2] = 3;
  const RankLoadMap map = MakeRankLoadMap(200, 2, loads);
  EXPECT_EQ(map.rows(), 100);
  EXPECT_EQ(map.RowName(1), "layers 2 to 3");
  EXPECT_EQ(map.cell(1, 0), 1.5);
  EXPECT_EQ(map.cell(1, 1), 1);
}

}  // namespace
}  // namespace eplb
