#include "eplb/core/topology.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kLargest = std::numeric_limits<int>::max();
constexpr int kSmallest = std::numeric_limits<int>::min();

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

TEST(TopologyTest, UniformNodesHoldConsecutiveRanks) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(6, 3));
  EXPECT_EQ(topology.num_ranks(), 6);
  EXPECT_EQ(topology.num_nodes(), 3);
  EXPECT_EQ(topology.num_active_ranks(), 6);
  EXPECT_THAT(Topology::Create({0, 0, 1, 1, 2, 2}), IsOkAndHolds(topology));
}

TEST(TopologyTest, OneNodeIsTheDefault) {
  EXPECT_THAT(Topology::Create({0, 0, 0}), IsOkAndHolds(*Topology::Uniform(3)));
}

TEST(TopologyTest, NodesMayDifferInSizeAndAlternate) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology,
                            Topology::Create({1, 0, 1, 1, 2}));
  EXPECT_EQ(topology.num_nodes(), 3);
  EXPECT_EQ(topology.node_of_rank(0), 1);
  EXPECT_EQ(topology.node_of_rank(1), 0);
  EXPECT_EQ(topology.node_of_rank(4), 2);
  EXPECT_THAT(topology.active_ranks(), ElementsAre(0, 1, 2, 3, 4));
}

TEST(TopologyTest, RefusesATopologyWithoutRanks) {
  EXPECT_THAT(Topology::Create({}),
              Refuses("a topology needs at least one rank"));
}

TEST(TopologyTest, RefusesANodeOutOfRange) {
  EXPECT_THAT(Topology::Create({0, -1, 0}),
              Refuses("rank 1: node -1 is not in [0, 3)"));
  EXPECT_THAT(Topology::Create({0, 1, 3}),
              Refuses("rank 2: node 3 is not in [0, 3)"));
  EXPECT_THAT(Topology::Create({kLargest}),
              Refuses("rank 0: node 2147483647 is not in [0, 1)"));
  EXPECT_THAT(Topology::Create({kSmallest}),
              Refuses("rank 0: node -2147483648 is not in [0, 1)"));
}

TEST(TopologyTest, RefusesANodeWithoutRanks) {
  EXPECT_THAT(Topology::Create({0, 2, 0}), Refuses("node 1 of 3 has no rank"));
}

TEST(TopologyTest, RefusesUniformSizesThatDoNotDivide) {
  for (const auto& [ranks, nodes] :
       {std::pair(7, 2), std::pair(0, 1), std::pair(8, 0), std::pair(-8, 2),
        std::pair(8, -2), std::pair(2, 8), std::pair(kSmallest, -1)}) {
    EXPECT_THAT(Topology::Uniform(ranks, nodes),
                Refuses(absl::StrCat(ranks, " ranks on ", nodes,
                                     " nodes: both must be positive and the "
                                     "ranks divide by the nodes")));
  }
}

TEST(TopologyTest, GroupsAreCappedAtTheirLargestSize) {
  EXPECT_THAT(Topology::Uniform(kMaxRanks), IsOk());
  EXPECT_THAT(Topology::Uniform(kMaxRanks + 1),
              Refuses("1048577 ranks are more than 1048576"));
  EXPECT_THAT(Topology::Uniform(kLargest),
              Refuses("2147483647 ranks are more than 1048576"));
  EXPECT_THAT(Topology::Create(std::vector<int>(kMaxRanks + 1, 0)),
              Refuses("1048577 ranks are more than 1048576"));
}

TEST(TopologyTest, InactiveRanksKeepTheirPlace) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(4, 2));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology survivors,
                            topology.WithInactiveRanks({2, 0}));
  EXPECT_EQ(survivors.num_ranks(), 4);
  EXPECT_EQ(survivors.num_active_ranks(), 2);
  EXPECT_EQ(survivors.node_of_rank(2), 1);
  EXPECT_FALSE(survivors.is_active(0));
  EXPECT_TRUE(survivors.is_active(1));
  EXPECT_THAT(survivors.active_ranks(), ElementsAre(1, 3));
  // The original is as it was.
  EXPECT_TRUE(topology.is_active(0));
  EXPECT_NE(topology, survivors);
}

TEST(TopologyTest, InactiveRanksAddUp) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(4));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology first,
                            topology.WithInactiveRanks({1}));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology both,
                            first.WithInactiveRanks({1, 3, 3}));
  EXPECT_THAT(both.active_ranks(), ElementsAre(0, 2));
  EXPECT_THAT(topology.WithInactiveRanks({3, 1}), IsOkAndHolds(both));
  EXPECT_THAT(topology.WithInactiveRanks({}), IsOkAndHolds(topology));
}

TEST(TopologyTest, ANodeMayLoseAllItsRanks) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(4, 2));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology survivors,
                            topology.WithInactiveRanks({2, 3}));
  EXPECT_EQ(survivors.num_nodes(), 2);
}

TEST(TopologyTest, RefusesInactiveRanksOutOfRange) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(4));
  EXPECT_THAT(topology.WithInactiveRanks({4}),
              Refuses("inactive rank 4 is not in [0, 4)"));
  EXPECT_THAT(topology.WithInactiveRanks({1, -1}),
              Refuses("inactive rank -1 is not in [0, 4)"));
}

TEST(TopologyTest, OneRankStaysActive) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(2));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology one,
                            topology.WithInactiveRanks({0}));
  EXPECT_THAT(one.WithInactiveRanks({1}), Refuses("all 2 ranks are inactive"));
  EXPECT_THAT(topology.WithInactiveRanks({0, 1}),
              Refuses("all 2 ranks are inactive"));
}

TEST(TopologyTest, AnyNumberingWithoutGapsIsAccepted) {
  DeterministicRandom random(1);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(absl::StrCat("seed 1, round ", round));
    const int num_ranks = 1 + static_cast<int>(random.NextBelow(40));
    const int num_nodes = 1 + static_cast<int>(random.NextBelow(num_ranks));
    std::vector<int> node_of_rank;
    for (int rank = 0; rank < num_ranks; ++rank) {
      // The first ranks make sure that each node has one.
      node_of_rank.push_back(rank < num_nodes ? rank
                                              : random.NextBelow(num_nodes));
    }
    EPLB_ASSERT_OK_AND_ASSIGN(Topology topology,
                              Topology::Create(node_of_rank));
    EXPECT_EQ(topology.num_nodes(), num_nodes);
    std::vector<int> expected_active;
    std::vector<int> inactive;
    for (int rank = 0; rank < num_ranks; ++rank) {
      EXPECT_EQ(topology.node_of_rank(rank), node_of_rank[rank]);
      const bool is_active = rank == 0 || random.NextBelow(2) == 0;
      (is_active ? expected_active : inactive).push_back(rank);
    }
    EPLB_ASSERT_OK_AND_ASSIGN(topology, topology.WithInactiveRanks(inactive));
    EXPECT_EQ(topology.active_ranks(), absl::MakeConstSpan(expected_active));
    EXPECT_EQ(topology.num_active_ranks(), expected_active.size());
  }
}

}  // namespace
}  // namespace eplb
