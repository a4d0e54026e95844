#include "tools/run/phase_balance.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;

TEST(PhaseBalanceTest, KeepsWhatWasBeforeTheFirstSwitchAndAfterTheLast) {
  PhaseBalance balance(/*num_layers=*/1, /*num_ranks=*/2);
  balance.AddLayer(0, {10, 30});  // 20 / 30
  balance.EndStep(false);
  balance.AddLayer(0, {10, 10});
  balance.EndStep(true);
  balance.AddLayer(0, {5, 5});
  balance.EndStep(true);
  balance.AddLayer(0, {30, 50});  // 40 / 50
  balance.EndStep(false);
  EXPECT_DOUBLE_EQ(balance.before(), (2.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(balance.after(), 0.8);
  EXPECT_DOUBLE_EQ(balance.now(), 0.8);
  EXPECT_THAT(balance.history(), ElementsAre(DoubleEq(2.0 / 3), 1, 1, 0.8));
  EXPECT_THAT(balance.rank_loads_before(), ElementsAre(20, 40));
  EXPECT_THAT(balance.rank_loads_after(), ElementsAre(30, 50));
}

TEST(PhaseBalanceTest, LayersWithoutTokensDoNotCount) {
  PhaseBalance balance(/*num_layers=*/2, /*num_ranks=*/2);
  balance.AddLayer(0, {0, 0});
  balance.AddLayer(1, {1, 3});
  balance.EndStep(false);
  balance.AddLayer(0, {0, 0});
  balance.EndStep(false);
  EXPECT_DOUBLE_EQ(balance.before(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(balance.now(), 2.0 / 3);
  EXPECT_THAT(balance.history(), ElementsAre(DoubleEq(2.0 / 3), 0));
  EXPECT_THAT(balance.rank_loads_before(), ElementsAre(0, 0, 1, 3));
}

TEST(PhaseBalanceTest, IsZeroWhereThereWasNothing) {
  PhaseBalance balance(1, 2);
  EXPECT_EQ(balance.before(), 0);
  balance.EndStep(true);
  EXPECT_EQ(balance.before(), 0);
  EXPECT_EQ(balance.after(), 0);
  EXPECT_THAT(balance.rank_loads_after(), Each(0));
}

}  // namespace
}  // namespace eplb
