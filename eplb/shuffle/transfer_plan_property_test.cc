// What every transfer plan keeps, over random groups and over rebuilds of a
// real shape, against oracles.

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/transfer_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/greedy.h"
#include "policies/placement_policy.h"
#include "testing/deterministic_random.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

// More in the campaign.
#ifndef EPLB_R1_REBUILD_SEEDS
#define EPLB_R1_REBUILD_SEEDS 2
#endif

namespace eplb {
namespace {

// Two placements of a random group, and every rank's plan between them.
struct Case {
  Topology topology;
  Placement before;
  Placement after;
  std::vector<TransferPlan> plan_of_rank;

  int slots_per_rank() const {
    return before.num_slots() / topology.num_ranks();
  }
  const int32_t* experts(const Placement& placement, int layer,
                         int rank) const {
    return &placement.experts_of_slots(layer)[rank * slots_per_rank()];
  }
  bool holds(const Placement& placement, int layer, int rank,
             int expert) const {
    const int32_t* const begin = experts(placement, layer, rank);
    return std::count(begin, begin + slots_per_rank(), expert) > 0;
  }

  // The ranks that may send the expert to `rank`: active holders on its node,
  // else all active holders.
  std::vector<int> Senders(int layer, int rank, int expert) const {
    std::vector<int> near, all;
    for (const int holder : topology.active_ranks()) {
      if (!holds(before, layer, holder, expert)) continue;
      all.push_back(holder);
      if (topology.node_of_rank(holder) == topology.node_of_rank(rank)) {
        near.push_back(holder);
      }
    }
    return near.empty() ? all : near;
  }
};

// Every expert once, in the slots of active ranks, and random ones or none in
// the other slots.
Placement RandomPlacement(DeterministicRandom& random, int num_layers,
                          int num_experts, int num_slots,
                          const std::vector<int>& usable_slots) {
  std::vector<int32_t> experts;
  for (int layer = 0; layer < num_layers; ++layer) {
    std::vector<int> slots = usable_slots;
    for (size_t i = slots.size(); i > 1; --i) {
      std::swap(slots[i - 1], slots[random.NextBelow(i)]);
    }
    std::vector<int32_t> row(num_slots, Placement::kEmptySlot);
    for (size_t i = 0; i < slots.size(); ++i) {
      const int other = static_cast<int>(random.NextBelow(num_experts + 1)) - 1;
      row[slots[i]] = static_cast<int>(i) < num_experts ? i : other;
    }
    experts.insert(experts.end(), row.begin(), row.end());
  }
  return *Placement::Create(num_layers, num_experts, num_slots, experts);
}

// What a rank held before it died.
Placement FillSlots(DeterministicRandom& random, const Placement& placement,
                    int first_slot, int count) {
  std::vector<int32_t> experts(placement.physical_to_logical_map().begin(),
                               placement.physical_to_logical_map().end());
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int slot = first_slot; slot < first_slot + count; ++slot) {
      experts[layer * placement.num_slots() + slot] =
          random.NextBelow(placement.num_logical_experts());
    }
  }
  return *Placement::Create(placement.num_layers(),
                            placement.num_logical_experts(),
                            placement.num_slots(), experts);
}

// Some slots get another expert where that leaves every expert a slot.
Placement Drift(DeterministicRandom& random, const Placement& placement,
                const std::vector<int>& usable_slots) {
  std::vector<int32_t> experts(placement.physical_to_logical_map().begin(),
                               placement.physical_to_logical_map().end());
  const int num_slots = placement.num_slots();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    int32_t* const row = &experts[layer * num_slots];
    for (int i = random.NextBelow(num_slots + 1); i > 0; --i) {
      const int a = usable_slots[random.NextBelow(usable_slots.size())];
      const int b = usable_slots[random.NextBelow(usable_slots.size())];
      if (random.NextBelow(2) == 0 ||
          std::count(row, row + num_slots, row[b]) < 2) {
        std::swap(row[a], row[b]);
      } else {
        row[b] = row[a];
      }
    }
  }
  return *Placement::Create(placement.num_layers(),
                            placement.num_logical_experts(), num_slots,
                            experts);
}

Case RandomCase(uint64_t seed) {
  DeterministicRandom random(seed);
  const int num_ranks = 1 + random.NextBelow(9);
  const int num_nodes = 1 + random.NextBelow(num_ranks);
  std::vector<int> nodes;
  for (int rank = 0; rank < num_ranks; ++rank) {
    nodes.push_back(rank < num_nodes ? rank : random.NextBelow(num_nodes));
  }
  Topology topology = *Topology::Create(nodes);
  const int width = 1 + random.NextBelow(5);
  std::vector<int> all_slots(num_ranks * width);
  std::vector<int> live_slots;
  const int dead = random.NextBelow(3) == 0 ? random.NextBelow(num_ranks) : -1;
  for (int slot = 0; slot < num_ranks * width; ++slot) {
    all_slots[slot] = slot;
    if (slot / width != dead) live_slots.push_back(slot);
  }
  if (dead >= 0 && num_ranks > 1) {
    topology = *topology.WithInactiveRanks({dead});
  } else {
    live_slots = all_slots;
  }
  const int num_experts = 1 + random.NextBelow(live_slots.size());
  const int num_layers = 1 + random.NextBelow(4);
  Placement before = RandomPlacement(random, num_layers, num_experts,
                                     all_slots.size(), live_slots);
  Placement after = random.NextBelow(2) == 0
                        ? Drift(random, before, live_slots)
                        : RandomPlacement(random, num_layers, num_experts,
                                          all_slots.size(), live_slots);
  if (live_slots.size() < all_slots.size()) {
    before = FillSlots(random, before, dead * width, width);
  }
  Case result{topology, before, after, {}};
  for (int rank = 0; rank < num_ranks; ++rank) {
    result.plan_of_rank.push_back(
        *TransferPlan::Create(before, after, topology, rank));
  }
  return result;
}

class RandomTransferPlanTest : public ::testing::Test {
 protected:
  // Runs `check` on many cases and all their layers.
  template <typename Check>
  void ForEachLayer(Check check) {
    constexpr int kCases = 4000;
    for (uint64_t seed = 0; seed < kCases; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      const Case c = RandomCase(seed);
      for (int layer = 0; layer < c.before.num_layers(); ++layer) {
        check(c, layer);
        if (HasFailure()) return;
      }
    }
  }
};

TEST_F(RandomTransferPlanTest, BringsEverySlotItsExpertOnce) {
  ForEachLayer([](const Case& c, int layer) {
    for (const int rank : c.topology.active_ranks()) {
      const TransferPlan& plan = c.plan_of_rank[rank];
      const LayerTransfers part = plan.transfers(layer);
      const int32_t* const before = c.experts(c.before, layer, rank);
      const int32_t* const after = c.experts(c.after, layer, rank);
      std::map<int, int> written;  // Slot -> expert.
      std::set<int> received;
      for (const SlotReceive& receive : part.receives) {
        EXPECT_TRUE(
            written.emplace(receive.destination_slot, receive.expert).second);
        EXPECT_TRUE(received.insert(receive.expert).second);
        EXPECT_FALSE(c.holds(c.before, layer, rank, receive.expert));
      }
      for (const SlotFanOut& fan_out : part.fan_outs) {
        EXPECT_TRUE(written
                        .emplace(fan_out.destination_slot,
                                 part.receives[fan_out.receive].expert)
                        .second);
      }
      for (const SlotCopy& copy : part.copies) {
        EXPECT_TRUE(written.emplace(copy.destination_slot, copy.expert).second);
        EXPECT_EQ(before[copy.source_slot], copy.expert);
      }
      for (int slot = 0; slot < c.slots_per_rank(); ++slot) {
        const bool must_change =
            after[slot] != before[slot] && after[slot] != Placement::kEmptySlot;
        EXPECT_EQ(written.count(slot), must_change ? 1 : 0);
        if (must_change) {
          EXPECT_EQ(written[slot], after[slot]);
        }
      }
      for (const SlotCopy& copy : part.copies) {
        EXPECT_EQ(copy.source_is_overwritten,
                  written.count(copy.source_slot) > 0);
      }
    }
  });
}

TEST_F(RandomTransferPlanTest, MatchesSendsAndReceivesInOrder) {
  ForEachLayer([](const Case& c, int layer) {
    std::map<std::pair<int, int>, std::vector<int>> sent, received;
    for (int rank = 0; rank < c.topology.num_ranks(); ++rank) {
      const LayerTransfers part = c.plan_of_rank[rank].transfers(layer);
      for (const SlotSend& send : part.sends) {
        sent[{rank, send.destination_rank}].push_back(send.expert);
        EXPECT_EQ(c.experts(c.before, layer, rank)[send.source_slot],
                  send.expert);
      }
      for (const SlotReceive& receive : part.receives) {
        received[{receive.source_rank, rank}].push_back(receive.expert);
      }
    }
    EXPECT_EQ(sent, received);
  });
}

TEST_F(RandomTransferPlanTest, PrefersAHolderOnTheNode) {
  ForEachLayer([](const Case& c, int layer) {
    for (const int rank : c.topology.active_ranks()) {
      for (const SlotReceive& receive :
           c.plan_of_rank[rank].transfers(layer).receives) {
        EXPECT_THAT(c.Senders(layer, rank, receive.expert),
                    ::testing::Contains(receive.source_rank));
      }
    }
  });
}

// Whether all receives of the layer have a sender when none sends more than
// `capacity`: Kuhn's augmenting paths, one unit of flow each.
class SenderFlow {
 public:
  SenderFlow(const Case& c, int layer, int capacity)
      : capacity_(capacity), receives_of_sender_(c.topology.num_ranks()) {
    for (const int rank : c.topology.active_ranks()) {
      for (const SlotReceive& receive :
           c.plan_of_rank[rank].transfers(layer).receives) {
        senders_.push_back(c.Senders(layer, rank, receive.expert));
      }
    }
  }

  bool IsEnough() {
    for (size_t receive = 0; receive < senders_.size(); ++receive) {
      visited_.assign(receives_of_sender_.size(), false);
      if (!Assign(receive)) return false;
    }
    return true;
  }

 private:
  bool Assign(int receive) {
    for (const int sender : senders_[receive]) {
      if (visited_[sender]) continue;
      visited_[sender] = true;
      std::vector<int>& taken = receives_of_sender_[sender];
      if (static_cast<int>(taken.size()) < capacity_) {
        taken.push_back(receive);
        return true;
      }
      for (int& other : taken) {
        if (!Assign(other)) continue;
        other = receive;
        return true;
      }
    }
    return false;
  }

  const int capacity_;
  std::vector<std::vector<int>> senders_;
  std::vector<std::vector<int>> receives_of_sender_;
  std::vector<bool> visited_;
};

TEST_F(RandomTransferPlanTest,
       KeepsTheBusiestSenderWithinOneOfTheLeastMaximum) {
  int64_t layers_with_room = 0;
  ForEachLayer([&](const Case& c, int layer) {
    int busiest = 0;
    for (const TransferPlan& plan : c.plan_of_rank) {
      busiest = std::max<int>(busiest, plan.transfers(layer).sends.size());
    }
    if (busiest < 2) return;
    ++layers_with_room;
    EXPECT_TRUE(SenderFlow(c, layer, busiest).IsEnough());
    EXPECT_FALSE(SenderFlow(c, layer, busiest - 2).IsEnough())
        << "busiest sends " << busiest;
  });
  EXPECT_GT(layers_with_room, 1000);
}

TEST_F(RandomTransferPlanTest, CountsTheRowsToStage) {
  ForEachLayer([](const Case& c, int layer) {
    int most = 0;
    for (const TransferPlan& plan : c.plan_of_rank) {
      std::set<int> saved;
      for (const SlotCopy& copy : plan.transfers(layer).copies) {
        if (copy.source_is_overwritten) saved.insert(copy.source_slot);
      }
      most = std::max<int>(
          most, plan.transfers(layer).receives.size() + saved.size());
    }
    for (const TransferPlan& plan : c.plan_of_rank) {
      EXPECT_EQ(plan.max_staged_rows(layer), most);
      EXPECT_EQ(plan.changes(layer), c.before.experts_of_slots(layer) !=
                                         c.after.experts_of_slots(layer));
    }
  });
}

// Rebuilds of DeepSeek-R1 by the greedy policy, on 32 ranks.
class R1TransferPlanTest : public ::testing::Test {
 protected:
  static constexpr int kRanks = 32;
  static constexpr ModelShape kShape = {.num_layers = 58,
                                        .num_logical_experts = 256,
                                        .num_redundant_experts = 32};

  // What the ranks send in all layers, and how much of it no other could.
  struct Sends {
    double mean = 0;
    int most = 0;
    int most_forced = 0;
  };

  static TrafficGenerator Traffic(absl::string_view spec, uint64_t seed) {
    return *TrafficGenerator::Create(*ParseTrafficSpec(spec), kShape.num_layers,
                                     kShape.num_logical_experts, seed);
  }

  static Placement Rebuilt(TrafficGenerator& traffic,
                           const Topology& topology) {
    const ExpertLoads loads = *traffic.Next(1 << 20);
    return GreedyPolicy()
        .Place({.shape = kShape, .loads = &loads, .topology = &topology})
        ->placement;
  }

  static Sends SendsBetween(const Topology& topology, const Placement& before,
                            const Placement& after) {
    const Case c{topology, before, after, {}};
    std::vector<int> sends(kRanks), forced_sends(kRanks);
    for (int rank = 0; rank < kRanks; ++rank) {
      const TransferPlan plan =
          *TransferPlan::Create(before, after, topology, rank);
      for (int layer = 0; layer < kShape.num_layers; ++layer) {
        const LayerTransfers part = plan.transfers(layer);
        sends[rank] += part.sends.size();
        for (const SlotReceive& receive : part.receives) {
          if (c.Senders(layer, rank, receive.expert).size() > 1) continue;
          ++forced_sends[receive.source_rank];
        }
      }
    }
    return {std::accumulate(sends.begin(), sends.end(), 0) / double{kRanks},
            *std::max_element(sends.begin(), sends.end()),
            *std::max_element(forced_sends.begin(), forced_sends.end())};
  }

  // Runs `check` on the numbers of nodes and seeds that are tried.
  template <typename Check>
  static void ForEachGroup(Check check) {
    for (const int num_nodes : {1, 4}) {
      const Topology topology = *Topology::Uniform(kRanks, num_nodes);
      for (uint64_t seed = 1; seed <= EPLB_R1_REBUILD_SEEDS; ++seed) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ", " << num_nodes << " nodes");
        check(topology, seed);
      }
    }
  }
};

TEST_F(R1TransferPlanTest, LevelsTheSendersOfARebuildAsTrafficDrifts) {
  for (const absl::string_view spec :
       {"zipf:1.0,drift=0.99", "lognormal:1.2,drift=0.99"}) {
    SCOPED_TRACE(spec);
    ForEachGroup([&](const Topology& topology, uint64_t seed) {
      TrafficGenerator traffic = Traffic(spec, seed);
      const Placement before = Rebuilt(traffic, topology);
      const Placement after = Rebuilt(traffic, topology);
      const Sends sends = SendsBetween(topology, before, after);
      EXPECT_LE(sends.most, 1.06 * sends.mean);
    });
  }
}

// Between loads that have nothing to do with each other one rank alone may hold
// more than that of what is needed, and no plan has a busiest rank with less.
// The hundredth is what the limits of the layers may cost.
TEST_F(R1TransferPlanTest, LevelsTheSendersBetweenUnrelatedLoads) {
  ForEachGroup([](const Topology& topology, uint64_t seed) {
    TrafficGenerator one = Traffic("zipf:1.0", seed);
    TrafficGenerator other = Traffic("zipf:1.0", seed + 100);
    const Sends sends = SendsBetween(topology, Rebuilt(one, topology),
                                     Rebuilt(other, topology));
    EXPECT_LE(sends.most, std::max(1.06 * sends.mean, 1.01 * sends.most_forced))
        << "mean " << sends.mean << ", forced " << sends.most_forced;
  });
}

}  // namespace
}  // namespace eplb
