// That the tokens of ranks go to replicas in the shares that a model's choice
// of replicas promises, before and after rearrangements and resizes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/model.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/map_and_record.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr int kNumRanks = 4;
constexpr int kSlotsPerRank = 6;
constexpr ModelShape kShape{.num_layers = 2,
                            .num_logical_experts = 12,
                            .num_redundant_experts = 12,
                            .num_expert_groups = 1};

// What a rank sends to each slot when it has kTokens of every expert:
// [layers][logical experts][slots].
constexpr int kTokens = 8192;
using Routed = std::vector<std::vector<std::vector<int32_t>>>;

absl::StatusOr<Routed> RouteEveryExpert(TestRank& rank) {
  Routed routed(kShape.num_layers);
  std::vector<int32_t> slots(kTokens);
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    const LayerView view = rank.state->layer_view(0, layer);
    for (int expert = 0; expert < kShape.num_logical_experts; ++expert) {
      const std::vector<int32_t> ids(kTokens, expert);
      std::vector<int32_t> counts(view.routes.max_slots);
      EPLB_RETURN_IF_ERROR(
          rank.device.MapAndRecord({.table = view.routes,
                                    .choice = view.replica_choice,
                                    .rank = rank.state->rank(),
                                    .logical_ids = ids.data(),
                                    .num_tokens = kTokens,
                                    .top_k = 1,
                                    .slot_ids = slots.data(),
                                    .slot_counts = counts.data()},
                                   *rank.stream));
      routed[layer].push_back(std::move(counts));
    }
  }
  return routed;
}

// What the ranks of a group do, all together.
struct GroupRouting {
  std::optional<Placement> placement;
  std::vector<int> node_of_rank;
  std::vector<Routed> routed_of_rank;

  // Calls `check` with the replicas of every expert, and for each rank what it
  // sends to each of them.
  void ForEachExpert(
      const std::function<void(int layer, absl::Span<const int32_t> slots,
                               const std::vector<std::vector<double>>& sent)>&
          check) const {
    for (int layer = 0; layer < kShape.num_layers; ++layer) {
      for (int expert = 0; expert < kShape.num_logical_experts; ++expert) {
        SCOPED_TRACE(testing::Message()
                     << "layer " << layer << ", expert " << expert);
        const auto slots = placement->slots_of_expert(layer, expert);
        std::vector<std::vector<double>> sent;
        for (const Routed& routed : routed_of_rank) {
          std::vector<double>& mine = sent.emplace_back();
          for (const int32_t slot : slots) {
            mine.push_back(double{1} * routed[layer][expert][slot] / kTokens);
          }
        }
        check(layer, slots, sent);
      }
    }
  }
};

// Each replica gets the same, and as much as that allows stays on its rank, and
// on its node.
void ExpectLocalFirst(const GroupRouting& group) {
  const auto num_ranks = static_cast<int>(group.node_of_rank.size());
  group.ForEachExpert([&](int /*layer*/, absl::Span<const int32_t> slots,
                          const std::vector<std::vector<double>>& sent) {
    const double planned = double{1} * num_ranks / slots.size();
    // Of a rank, and of a node.
    std::vector<double> room_on_rank(num_ranks), room_on_node(num_ranks);
    std::vector<int> ranks_of_node(num_ranks);
    for (const int node : group.node_of_rank) ++ranks_of_node[node];
    double on_rank = 0, on_node = 0;
    for (size_t replica = 0; replica < slots.size(); ++replica) {
      const int holder = slots[replica] / kSlotsPerRank;
      const int node = group.node_of_rank[holder];
      room_on_rank[holder] += planned;
      room_on_node[node] += planned;
      double total = 0;
      for (int rank = 0; rank < num_ranks; ++rank) {
        total += sent[rank][replica];
        if (rank == holder) on_rank += sent[rank][replica];
        if (group.node_of_rank[rank] == node) on_node += sent[rank][replica];
      }
      EXPECT_NEAR(total, planned, 0.02 * planned);
    }
    double most_on_rank = 0, most_on_node = 0;
    for (int i = 0; i < num_ranks; ++i) {
      most_on_rank += std::min(1.0, room_on_rank[i]);
      most_on_node += std::min<double>(ranks_of_node[i], room_on_node[i]);
    }
    EXPECT_NEAR(on_rank, most_on_rank, 0.02);
    EXPECT_NEAR(on_node, most_on_node, 0.02);
  });
}

// On every rank: steps that rearrange, then a shrink that leaves the last rank
// out. What the ranks route after each.
struct Routings {
  GroupRouting initial, rearranged, shrunk;
};

Routings RouteThroughChanges(const ModelOptions& options) {
  const std::vector<int> nodes = {0, 0, 1, 1};
  Routings all;
  for (GroupRouting* group : {&all.initial, &all.rearranged, &all.shrunk}) {
    group->node_of_rank = nodes;
    group->routed_of_rank.resize(kNumRanks);
  }
  all.shrunk.node_of_rank.pop_back();
  all.shrunk.routed_of_rank.pop_back();
  SystemClock clock;
  const auto results = OnTestRanks(
      kNumRanks, clock,
      [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
        TestRank rank(factory, clock, {0, 1, 2, 3});
        rank.node_of_job_rank = nodes;
        EplbConfig config;
        config.num_redundant_experts = kShape.num_redundant_experts;
        config.policy = "greedy";
        config.step_interval = 1;
        EPLB_RETURN_IF_ERROR(rank.Create(config));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape, options));
        const auto route = [&](GroupRouting& group) -> absl::Status {
          EPLB_ASSIGN_OR_RETURN(group.routed_of_rank[job_rank],
                                RouteEveryExpert(rank));
          if (job_rank == 0) group.placement = rank.state->placement(0);
          return absl::OkStatus();
        };
        EPLB_RETURN_IF_ERROR(route(all.initial));
        DeterministicRandom random(1, static_cast<uint64_t>(job_rank));
        EPLB_RETURN_IF_ERROR(
            rank.Forward(/*num_tokens=*/300, /*phase=*/5, random));
        EPLB_RETURN_IF_ERROR(rank.state->Step());
        EPLB_RETURN_IF_ERROR(route(all.rearranged));
        EPLB_ASSIGN_OR_RETURN(
            const RankMapping mapping,
            RankMapping::Create({0, 1, 2, RankMapping::kNone}, 3));
        const ResizeOptions resize{.rank_mapping = &mapping,
                                   .members = {100, {0, 1, 2}}};
        EPLB_RETURN_IF_ERROR(
            rank.state->Rearrange({.resize = &resize}).status());
        return job_rank == 3 ? absl::OkStatus() : route(all.shrunk);
      });
  EXPECT_THAT(results, Each(IsOk()));
  return all;
}

TEST(EplbStateRoutingTest, KeepsTokensLocalAsFarAsBalanceAllows) {
  const Routings all =
      RouteThroughChanges({.replica_choice = ReplicaChoice::kLocalFirst});
  ASSERT_FALSE(HasFailure());
  EXPECT_FALSE(*all.initial.placement == *all.rearranged.placement);
  for (const GroupRouting* group :
       {&all.initial, &all.rearranged, &all.shrunk}) {
    ExpectLocalFirst(*group);
  }
}

TEST(EplbStateRoutingTest, SharesOutByTheWeightsOfReplicas) {
  const auto weight = [](int layer, size_t slot) {
    return static_cast<int64_t>(1 + (slot + layer) % 5);
  };
  const Routings all = RouteThroughChanges(
      {.replica_choice = ReplicaChoice::kWeighted,
       .replica_weights = [&](int layer, absl::Span<const int32_t> experts) {
         std::vector<int64_t> weights;
         for (size_t slot = 0; slot < experts.size(); ++slot) {
           weights.push_back(weight(layer, slot));
         }
         return weights;
       }});
  ASSERT_FALSE(HasFailure());
  for (const GroupRouting* group :
       {&all.initial, &all.rearranged, &all.shrunk}) {
    group->ForEachExpert([&](int layer, absl::Span<const int32_t> slots,
                             const std::vector<std::vector<double>>& sent) {
      double sum = 0;
      for (const int32_t slot : slots) sum += weight(layer, slot);
      for (const std::vector<double>& mine : sent) {
        for (size_t replica = 0; replica < slots.size(); ++replica) {
          EXPECT_NEAR(mine[replica], weight(layer, slots[replica]) / sum, 0.01);
        }
      }
    });
  }
}

// A plan for which one has no weights is skipped before anything moves.
TEST(EplbStateRoutingTest, AllRanksSkipWhereOneHasNoShares) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          kNumRanks, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            TestRank rank(factory, clock, {0, 1, 2, 3});
            EplbConfig config;
            config.num_redundant_experts = kShape.num_redundant_experts;
            config.policy = "greedy";
            config.step_interval = 1;
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            int64_t weight = 1;
            EPLB_RETURN_IF_ERROR(rank.AddModel(
                "main", kShape,
                {.replica_choice = ReplicaChoice::kWeighted,
                 .replica_weights = [&](int, absl::Span<const int32_t> slots) {
                   return std::vector<int64_t>(slots.size(), weight);
                 }}));
            const Placement initial = rank.state->placement(0);
            DeterministicRandom random(1, static_cast<uint64_t>(job_rank));
            EPLB_RETURN_IF_ERROR(
                rank.Forward(/*num_tokens=*/300, /*phase=*/5, random));
            if (job_rank == 1) weight = -1;
            EPLB_RETURN_IF_ERROR(rank.state->Step());
            EXPECT_EQ(rank.state->placement(0), initial);
            EXPECT_THAT(rank.events.EventsOf<RearrangementSkipped>(),
                        ElementsAre(Field(&RearrangementSkipped::reason,
                                          HasSubstr("layer 0: "))));
            weight = 1;
            EPLB_RETURN_IF_ERROR(
                rank.Forward(/*num_tokens=*/300, /*phase=*/5, random));
            EPLB_RETURN_IF_ERROR(rank.state->Step());
            EXPECT_FALSE(rank.state->placement(0) == initial);
            return rank.CheckRows();
          }),
      Each(IsOk()));
}

TEST(EplbStateRoutingTest, RefusesRanksThatChooseDifferently) {
  SystemClock clock;
  EXPECT_THAT(OnTestRanks(2, clock,
                          [&](int job_rank, CommunicatorFactory& factory) {
                            TestRank rank(factory, clock, {0, 1});
                            EplbConfig config;
                            config.num_redundant_experts = 12;
                            const absl::Status created = rank.Create(config);
                            if (!created.ok()) return created;
                            return rank.AddModel(
                                "main", kShape,
                                {.replica_choice =
                                     job_rank == 0 ? ReplicaChoice::kLocalFirst
                                                   : ReplicaChoice::kSpread});
                          }),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition)));
}

}  // namespace
}  // namespace eplb
