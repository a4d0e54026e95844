#include "tools/run/forward_pass.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/layer_tables.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"
#include "testing/traffic.h"
#include "tools/run/expert_model.h"
#include "tools/run/slot_weights.h"
#include "tools/run/token_dispatch.h"
#include "tools/run/token_traffic.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kRanks = 2;
constexpr int kLayers = 3;
constexpr int kExperts = 6;
constexpr int kSlotsPerRank = 4;
constexpr int kTokens = 50;

const ExpertModel& Model() {
  static const ExpertModel model({.num_layers = kLayers,
                                  .num_logical_experts = kExperts,
                                  .expert_bytes = 1024,
                                  .seed = 9});
  return model;
}

// Redundant slots hold experts 0 and 1 on the second rank.
Placement InitialPlacement() {
  return *Placement::Initial({.num_layers = kLayers,
                              .num_logical_experts = kExperts,
                              .num_redundant_experts = 2});
}

// Runs passes of both ranks, after `damage` has been to the weights, and then
// lets `look` see each rank's passes.
void RunPasses(absl::FunctionRef<void(int, SlotWeights&)> damage,
               absl::FunctionRef<void(int, const ForwardPass&,
                                      const std::vector<int32_t>&)>
                   look) {
  SystemClock clock;
  const auto body =
      [&](std::unique_ptr<Communicator> communicator) -> absl::Status {
    const int rank = communicator->rank();
    const SteadyTime deadline = clock.Now() + std::chrono::minutes(1);
    CpuDevice device({.num_threads = 1});
    EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Stream> stream,
                          device.CreateStream());
    const Placement placement = InitialPlacement();
    SlotWeights weights(Model(), kSlotsPerRank);
    weights.Fill(placement, rank);
    damage(rank, weights);
    EPLB_ASSIGN_OR_RETURN(
        const LayerTables tables,
        LayerTables::Create(device, placement, placement.num_slots(), *stream,
                            deadline));
    std::vector<int32_t> counts(kLayers * placement.num_slots());
    std::vector<LayerView> views;
    for (int layer = 0; layer < kLayers; ++layer) {
      views.push_back({.routes = tables.routes(layer),
                       .replica_counts = tables.replica_counts(layer),
                       .pass_counts = &counts[layer * placement.num_slots()]});
    }
    EPLB_ASSIGN_OR_RETURN(
        TokenTraffic traffic,
        TokenTraffic::Synthetic({.skew = TrafficSkew::kZipf, .strength = 1},
                                kLayers, kExperts, /*seed=*/4, rank));
    TokenDispatch dispatch(*communicator, kSlotsPerRank);
    ForwardPass pass({.rank = rank,
                      .num_ranks = kRanks,
                      .slots_per_rank = kSlotsPerRank,
                      .tokens = kTokens},
                     {.model = &Model(),
                      .weights = &weights,
                      .dispatch = &dispatch,
                      .device = &device,
                      .stream = stream.get()});
    for (int step = 0; step < 4; ++step) {
      EPLB_RETURN_IF_ERROR(pass.Run(step, traffic, views, deadline));
    }
    look(rank, pass, counts);
    return absl::OkStatus();
  };
  EXPECT_THAT(RunInProcessRanks(kRanks, clock, body), Each(IsOk()));
}

void NoDamage(int /*rank*/, SlotWeights& /*weights*/) {}

TEST(ForwardPassTest, OutputsAreThoseOfTheReference) {
  RunPasses(NoDamage,
            [](int, const ForwardPass& pass, const std::vector<int32_t>&) {
              EXPECT_THAT(pass.mismatch(), IsEmpty());
              EXPECT_EQ(pass.outputs_checked(), 4 * kTokens);
            });
}

TEST(ForwardPassTest, CountsWhatItRoutes) {
  RunPasses(NoDamage, [](int, const ForwardPass& pass,
                         const std::vector<int32_t>& counts) {
    constexpr int kRouted = 4 * kTokens * kExpertsPerToken * kLayers;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), kRouted);
    EXPECT_EQ(std::accumulate(pass.expert_loads().begin(),
                              pass.expert_loads().end(), int64_t{0}),
              kRouted);
    for (int layer = 0; layer < kLayers; ++layer) {
      // Of one pass, by the tokens of both ranks.
      EXPECT_EQ(pass.rank_loads(layer)[0] + pass.rank_loads(layer)[1],
                kRanks * kTokens * kExpertsPerToken);
    }
  });
}

TEST(ForwardPassTest, AnExpertInAWrongSlotIsNoticedByWhoAskedForIt) {
  RunPasses(
      [](int rank, SlotWeights& weights) {
        if (rank == 1) weights.Fill(InitialPlacement(), /*rank=*/0);
      },
      [](int, const ForwardPass& pass, const std::vector<int32_t>&) {
        EXPECT_THAT(pass.mismatch(), HasSubstr("step 0: the output of token "));
      });
}

TEST(ForwardPassTest, AScaleThatDidNotComeWithItsWeightsIsNoticed) {
  RunPasses(
      [](int rank, SlotWeights& weights) {
        const ExpertWeights view = *weights.View();
        if (rank == 0) {
          std::swap_ranges(view.row(1, /*tensor=*/1, 0),
                           view.row(1, 1, 0) + ExpertModel::kScaleBytes,
                           view.row(1, 1, 1));
        }
      },
      [](int, const ForwardPass& pass, const std::vector<int32_t>&) {
        EXPECT_THAT(pass.mismatch(), Not(IsEmpty()));
      });
}

}  // namespace
}  // namespace eplb
