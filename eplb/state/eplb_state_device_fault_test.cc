// A device of one rank that fails at any of its operations: no rank hangs, no
// rank serves a wrong weight, and where a layer is old its tables and counters
// are what they were. The sweep prints how many operations it tried.

#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_snapshot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;

constexpr int kNumRanks = 3;
constexpr int kFaultyRank = 1;
constexpr ModelShape kShape{.num_layers = 3,
                            .num_logical_experts = 7,
                            .num_redundant_experts = 2,
                            .num_expert_groups = 1};

// What one rank came to.
struct Outcome {
  bool has_model = false;
  absl::Status status;
  std::vector<int32_t> map;
  std::string wrong_row;
  std::vector<LayerSnapshot> before;
  std::vector<LayerSnapshot> after;
  int64_t num_operations = 0;
};

std::vector<Outcome> RunWithFault(int64_t failing_operation) {
  std::vector<Outcome> outcomes(kNumRanks);
  SystemClock clock;
  const auto results = OnTestRanks(
      kNumRanks, clock,
      [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
        Outcome& outcome = outcomes[job_rank];
        FaultyDevice device({.failing_operation = job_rank == kFaultyRank
                                                      ? failing_operation
                                                      : -1});
        TestRank rank(factory, clock, {0, 1, 2});
        rank.state_device = &device;
        EplbConfig config;
        config.num_redundant_experts = 2;
        config.policy = "greedy";
        config.collective_timeout = std::chrono::seconds(5);
        EPLB_RETURN_IF_ERROR(rank.Create(config));
        outcome.status = rank.AddModel("main", kShape);
        outcome.has_model = outcome.status.ok();
        if (!outcome.has_model) return absl::OkStatus();
        EPLB_ASSIGN_OR_RETURN(
            const ExpertLoads loads,
            ExpertLoads::Create(3, 7, {1, 1,  1, 1,  1, 1, 90,  //
                                       1, 90, 1, 1,  1, 1, 1,   //
                                       1, 1,  1, 90, 1, 1, 1}));
        DeterministicRandom random(1, static_cast<uint64_t>(job_rank));
        rank.engines[0]->Forward(*rank.state, /*model=*/0, rank.device,
                                 *rank.stream, /*num_tokens=*/32, /*phase=*/0,
                                 random);
        outcome.before = TakeSnapshot(*rank.state, 0);
        outcome.status =
            rank.state->Rearrange({.global_loads = {loads}}).status();
        const Placement& placement = rank.state->placement(0);
        outcome.map.assign(placement.physical_to_logical_map().begin(),
                           placement.physical_to_logical_map().end());
        outcome.wrong_row =
            rank.engines[0]->FindWrongRow(placement, rank.state->rank());
        outcome.after = TakeSnapshot(*rank.state, 0);
        outcome.num_operations = device.num_operations();
        return absl::OkStatus();
      });
  EXPECT_THAT(results, Each(IsOk()));
  return outcomes;
}

TEST(EplbStateDeviceFaultTest, NeverServesAWrongWeightWhereverADeviceFails) {
  const std::vector<Outcome> whole = RunWithFault(-1);
  for (const Outcome& outcome : whole) {
    EXPECT_THAT(outcome.status, IsOk());
    EXPECT_EQ(outcome.wrong_row, "");
  }
  const int64_t num_operations = whole[kFaultyRank].num_operations;
  int num_refused_models = 0;
  int num_failed_moves = 0;
  for (int64_t operation = 0; operation < num_operations; ++operation) {
    SCOPED_TRACE(absl::StrCat("operation ", operation));
    const std::vector<Outcome> outcomes = RunWithFault(operation);
    num_refused_models += !outcomes[0].has_model;
    num_failed_moves += outcomes[0].has_model && !outcomes[0].status.ok();
    for (int rank = 0; rank < kNumRanks; ++rank) {
      EXPECT_EQ(outcomes[rank].has_model, outcomes[0].has_model);
      // A rank whose own switch failed after the commit cannot serve, and says
      // so.
      if (rank == kFaultyRank && !outcomes[rank].status.ok()) continue;
      EXPECT_EQ(outcomes[rank].wrong_row, "");
      EXPECT_EQ(outcomes[rank].map, outcomes[0].map);
      ExpectOldLayersUntouched(outcomes[rank].before, outcomes[rank].after);
    }
    EXPECT_FALSE(outcomes[kFaultyRank].status.ok());
  }
  std::cout << num_operations << " operations: " << num_refused_models
            << " refused the model, " << num_failed_moves
            << " ended a rearrangement\n";
  EXPECT_GT(num_refused_models, 0);
  EXPECT_GT(num_failed_moves, 0);
}

}  // namespace
}  // namespace eplb
