#include "policies/winner_tree.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(WinnerTreeTest, TheLowestNumberedOfTheSmallestKeysWins) {
  WinnerTree<uint64_t> tree;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<uint64_t> keys(1 + random() % 40, tree.kOut);
    tree.Reset(keys.size());
    for (size_t player = 0; player < keys.size(); ++player) {
      if (random() % 4 == 0) continue;  // stays out
      keys[player] = random() % 6;
      tree.SetKey(player, keys[player]);
    }
    tree.PlayAll();
    for (int round = 0; round < 50; ++round) {
      const auto winner = std::min_element(keys.begin(), keys.end());
      ASSERT_EQ(tree.winner(), winner - keys.begin());
      ASSERT_EQ(tree.winning_key(), *winner);
      const size_t player = random() % keys.size();
      keys[player] = random() % 5 == 0 ? tree.kOut : random() % 6;
      tree.Replay(player, keys[player]);
    }
  }
}

}  // namespace
}  // namespace eplb
