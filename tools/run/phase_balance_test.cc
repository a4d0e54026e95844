#include "tools/run/phase_balance.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(PhaseBalanceTest, KeepsWhatWasBeforeTheFirstSwitchAndAfterTheLast) {
  PhaseBalance balance;
  balance.AddLayer({10, 30});  // 20 / 30
  balance.EndStep(false);
  balance.AddLayer({10, 10});
  balance.EndStep(true);
  balance.AddLayer({5, 5});
  balance.EndStep(true);
  balance.AddLayer({30, 50});  // 40 / 50
  balance.EndStep(false);
  EXPECT_DOUBLE_EQ(balance.before(), (2.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(balance.after(), 0.8);
  EXPECT_DOUBLE_EQ(balance.now(), 0.8);
}

TEST(PhaseBalanceTest, LayersWithoutTokensDoNotCount) {
  PhaseBalance balance;
  balance.AddLayer({0, 0});
  balance.AddLayer({1, 3});
  balance.EndStep(false);
  balance.AddLayer({0, 0});
  balance.EndStep(false);
  EXPECT_DOUBLE_EQ(balance.before(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(balance.now(), 2.0 / 3);
}

TEST(PhaseBalanceTest, IsZeroWhereThereWasNothing) {
  PhaseBalance balance;
  EXPECT_EQ(balance.before(), 0);
  balance.EndStep(true);
  EXPECT_EQ(balance.before(), 0);
  EXPECT_EQ(balance.after(), 0);
}

}  // namespace
}  // namespace eplb
