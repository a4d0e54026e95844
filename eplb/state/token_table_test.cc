#include "eplb/state/token_table.h"

#include <cstdint>
#include <string>
#include <vector>

#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TokenTable SmallTable() {
  const Placement placement = *Placement::Create(
      2, /*num_logical_experts=*/3, /*num_slots=*/4, {0, 1, 2, 0, 2, 1, 0, -1});
  return MakeTokenTable({10, 20, 7, 7}, std::vector<int64_t>{9, 4, 17, 1, 2, 0},
                        placement, *Topology::Uniform(2));
}

TEST(TokenTableTest, CountsWhatRanksHoldAndNamesTheExtremes) {
  const TokenTable table = SmallTable();
  EXPECT_EQ(table.ranks[0].experts, 4);
  EXPECT_EQ(table.ranks[0].replicas, 1);
  EXPECT_EQ(table.ranks[1].experts, 3);
  EXPECT_EQ(table.ranks[1].replicas, 1);
  ASSERT_EQ(table.hottest.size(), 5);
  EXPECT_EQ(table.hottest[0].layer, 0);
  EXPECT_EQ(table.hottest[0].expert, 2);
  EXPECT_EQ(table.hottest[0].tokens, 17);
  EXPECT_EQ(table.hottest[1].num_replicas, 2);
  EXPECT_EQ(table.coldest[0].layer, 1);
  EXPECT_EQ(table.coldest[0].tokens, 0);
}

TEST(TokenTableTest, PrintsARowPerLayerAndColoursOnlyWhenAsked) {
  const std::string plain = FormatTokenTable(SmallTable(), /*color=*/false);
  EXPECT_THAT(plain, HasSubstr("   layer  rank 0  rank 1\n"
                               "       0      10      20\n"
                               "       1       7       7\n"
                               " experts       4       3\n"
                               "replicas       1       1\n"
                               "hottest: layer 0 expert 2: 17 (x1)"));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  const std::string coloured = FormatTokenTable(SmallTable(), /*color=*/true);
  EXPECT_THAT(coloured, HasSubstr("\x1b[48;5;160m      20\x1b[0m"));
  // A layer that is even has nothing to show.
  EXPECT_THAT(coloured, HasSubstr("       1       7       7\n"));
}

}  // namespace
}  // namespace eplb
