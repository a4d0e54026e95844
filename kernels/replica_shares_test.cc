#include "kernels/replica_shares.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/map_and_record.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kAll = kWholeShare;

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
}

TEST(WeightedSharesTest, AreEqualUnlessWeighed) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 2, 5, {0, 1, 0, -1, 0}));
  EXPECT_THAT(
      WeightedShares({.placement = &placement}),
      IsOkAndHolds(ElementsAre(715827882, kAll, 715827883, 0, 715827883)));
  const std::vector<int64_t> weights = {1, 9, 2, 0, 5};
  EXPECT_THAT(
      WeightedShares({.placement = &placement, .weights = weights}),
      IsOkAndHolds(ElementsAre(kAll / 8, kAll, kAll / 4, 0, kAll / 8 * 5)));
}

TEST(WeightedSharesTest, RefusesWhatIsNoWeight) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 2, 3, {0, 1, 0}));
  const auto with = [&](const std::vector<int64_t>& weights) {
    return WeightedShares({.placement = &placement, .weights = weights})
        .status();
  };
  EXPECT_THAT(with({1, 1}), Refuses("2 weights for 3 slots"));
  EXPECT_THAT(with({1, 1, -4}), Refuses("slot 2 has weight -4"));
  EXPECT_THAT(with({0, 1, 0}), Refuses("all replicas of expert 0 weigh 0"));
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(with({kMax, 1, 1}), Refuses("less than 2^63"));
  EPLB_EXPECT_OK(with({kMax, kMax, 0}));
  EXPECT_THAT(WeightedShares({.placement = &placement, .layer = 1}),
              Refuses("layer 1 of 1 layers"));
  EXPECT_THAT(WeightedShares({}), Refuses("placement is null"));
}

TEST(LocalFirstSharesTest, RefusesRanksThatAreNotThere) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 2, 3, {0, 1, 0}));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology three, Topology::Uniform(3));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology two, Topology::Uniform(2));
  EXPECT_THAT(LocalFirstShares({.placement = &placement}, 0),
              Refuses("topology is null"));
  EXPECT_THAT(
      LocalFirstShares({.placement = &placement, .topology = &three}, 3),
      Refuses("rank 3 of 3 ranks"));
  EXPECT_THAT(LocalFirstShares({.placement = &placement, .topology = &two}, 0),
              Refuses("3 slots do not divide by 2 ranks"));
}

TEST(LocalFirstSharesTest, ServesItsRankThenItsNodeThenTheRest) {
  // Four ranks on two nodes; expert 0 on ranks 0 and 1, both of node 0: each
  // replica has capacity for two ranks.
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 3, 4, {0, 0, 1, 2}));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology, Topology::Uniform(4, 2));
  const PlannedReplicas planned{.placement = &placement, .topology = &topology};
  EXPECT_THAT(LocalFirstShares(planned, 0),
              IsOkAndHolds(ElementsAre(kAll, 0, kAll, kAll)));
  EXPECT_THAT(LocalFirstShares(planned, 1),
              IsOkAndHolds(ElementsAre(0, kAll, kAll, kAll)));
  EXPECT_THAT(LocalFirstShares(planned, 2),
              IsOkAndHolds(ElementsAre(kAll / 2, kAll / 2, kAll, kAll)));
  // A replica that is to carry an eighth of four ranks' tokens: half of its
  // own rank's, and the other replica of the node takes the other half.
  const std::vector<int64_t> weights = {1, 7, 1, 1};
  EXPECT_THAT(
      LocalFirstShares(
          {.placement = &placement, .topology = &topology, .weights = weights},
          0),
      IsOkAndHolds(ElementsAre(kAll / 2, kAll / 2, kAll, kAll)));
}

TEST(LocalFirstSharesTest, ARankThatIsNotActiveHasNoTokensToKeep) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Placement::Create(1, 1, 3, {0, 0, -1}));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology all, Topology::Uniform(3));
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology topology,
                            all.WithInactiveRanks({2}));
  const PlannedReplicas planned{.placement = &placement, .topology = &topology};
  EXPECT_THAT(LocalFirstShares(planned, 0),
              IsOkAndHolds(ElementsAre(kAll, 0, 0)));
  EXPECT_THAT(LocalFirstShares(planned, 2),
              IsOkAndHolds(ElementsAre(kAll / 2, kAll / 2, 0)));
}

// A layer on ranks of nodes of any size, some of them inactive.
struct RandomLayer {
  Topology topology;
  Placement placement;
  std::vector<int64_t> weights;
};

RandomLayer MakeRandomLayer(DeterministicRandom& random) {
  const int num_ranks = 1 + random.NextBelow(24);
  std::vector<int> nodes(num_ranks);
  for (int rank = 1; rank < num_ranks; ++rank) {
    nodes[rank] = nodes[rank - 1] + (random.NextBelow(4) == 0);
  }
  Topology topology = *Topology::Create(nodes);
  if (num_ranks > 2 && random.NextBelow(3) == 0) {
    const int dead = random.NextBelow(num_ranks);
    topology = *topology.WithInactiveRanks({dead});
  }
  const int per_rank = 1 + random.NextBelow(5);
  const int num_experts =
      1 +
      random.NextBelow(std::max(1, topology.num_active_ranks() * per_rank / 2));
  std::vector<int32_t> experts(num_ranks * per_rank, Placement::kEmptySlot);
  int next = 0;
  for (const int rank : topology.active_ranks()) {
    for (int i = 0; i < per_rank; ++i, ++next) {
      experts[rank * per_rank + i] =
          next < num_experts ? next
                             : static_cast<int>(random.NextBelow(num_experts));
    }
  }
  const int num_slots = num_ranks * per_rank;
  RandomLayer layer{
      topology, *Placement::Create(1, num_experts, num_slots, experts), {}};
  if (random.NextBelow(2) == 0) {
    for (int i = 0; i < num_slots; ++i) {
      layer.weights.push_back(1 + random.NextBelow(100));
    }
  }
  return layer;
}

// For an expert: the tokens, in ranks' worth, that no routing which keeps to
// what was planned could keep on more ranks (`same` is the rank of a slot) or
// nodes.
template <typename Same>
double MostThatCanStay(const RandomLayer& layer, int expert,
                       const std::vector<double>& planned, int num_places,
                       Same same) {
  std::vector<double> tokens(num_places), capacity(num_places);
  for (const int rank : layer.topology.active_ranks()) ++tokens[same(rank)];
  const int per_rank = layer.placement.num_slots() / layer.topology.num_ranks();
  for (const int32_t slot : layer.placement.slots_of_expert(0, expert)) {
    capacity[same(slot / per_rank)] += planned[slot];
  }
  double most = 0;
  for (int i = 0; i < num_places; ++i) {
    most += std::min(tokens[i], capacity[i]);
  }
  return most;
}

TEST(LocalFirstSharesTest, KeepsThePlanAndAsMuchAsThatAllowsNear) {
  constexpr double kRounding = 1e-6;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const RandomLayer layer = MakeRandomLayer(random);
    const Topology& topology = layer.topology;
    const PlannedReplicas planned{.placement = &layer.placement,
                                  .topology = &topology,
                                  .weights = layer.weights};
    const int num_slots = layer.placement.num_slots();
    const int per_rank = num_slots / topology.num_ranks();
    // In ranks' worth of tokens.
    const std::vector<uint32_t> shares = *WeightedShares(planned);
    std::vector<double> wanted(num_slots), total(num_slots), on_rank(num_slots),
        on_node(num_slots);
    for (int slot = 0; slot < num_slots; ++slot) {
      wanted[slot] = double{1.0} * shares[slot] / kWholeShare *
                     topology.num_active_ranks();
    }
    for (const int rank : topology.active_ranks()) {
      EPLB_ASSERT_OK_AND_ASSIGN(const std::vector<uint32_t> of_rank,
                                LocalFirstShares(planned, rank));
      for (int slot = 0; slot < num_slots; ++slot) {
        const double share = double{1.0} * of_rank[slot] / kWholeShare;
        const int holder = slot / per_rank;
        total[slot] += share;
        if (holder == rank) on_rank[slot] += share;
        if (topology.node_of_rank(holder) == topology.node_of_rank(rank)) {
          on_node[slot] += share;
        }
      }
    }
    for (int expert = 0; expert < layer.placement.num_logical_experts();
         ++expert) {
      double stays_on_rank = 0, stays_on_node = 0;
      for (const int32_t slot : layer.placement.slots_of_expert(0, expert)) {
        EXPECT_NEAR(total[slot], wanted[slot], kRounding) << "slot " << slot;
        stays_on_rank += on_rank[slot];
        stays_on_node += on_node[slot];
      }
      EXPECT_NEAR(stays_on_rank,
                  MostThatCanStay(layer, expert, wanted, topology.num_ranks(),
                                  [](int rank) { return rank; }),
                  kRounding);
      EXPECT_NEAR(stays_on_node,
                  MostThatCanStay(
                      layer, expert, wanted, topology.num_nodes(),
                      [&](int rank) { return topology.node_of_rank(rank); }),
                  kRounding);
    }
  }
}

}  // namespace
}  // namespace eplb
