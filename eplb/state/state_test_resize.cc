#include "eplb/state/state_test_resize.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "testing/deterministic_random.h"

namespace eplb {

ModelShape ShapeOn(int num_ranks) {
  return {.num_layers = 3,
          .num_logical_experts = 12,
          .num_redundant_experts = num_ranks * kSlotsPerRank - 12,
          .num_expert_groups = 1};
}

EplbConfig ConfigOn(int num_ranks) {
  EplbConfig config;
  config.window_size = 50;
  config.step_interval = 20;
  config.num_redundant_experts = ShapeOn(num_ranks).num_redundant_experts;
  config.policy = "greedy";
  return config;
}

std::vector<int> FirstRanks(int count) {
  std::vector<int> ranks(count);
  for (int rank = 0; rank < count; ++rank) ranks[rank] = rank;
  return ranks;
}

absl::Status Serve(TestRank& rank, int num_steps, int phase, uint64_t seed) {
  DeterministicRandom random(seed, static_cast<uint64_t>(rank.state->rank()));
  for (int step = 0; step < num_steps; ++step) {
    EPLB_RETURN_IF_ERROR(rank.Forward(/*num_tokens=*/60, phase, random));
    EPLB_RETURN_IF_ERROR(rank.state->Step());
    EPLB_RETURN_IF_ERROR(rank.CheckRows());
  }
  return absl::OkStatus();
}

absl::Status ConnectTest(TestRank& rank, uint64_t epoch,
                         const std::vector<int>& members) {
  EPLB_ASSIGN_OR_RETURN(
      rank.control,
      rank.factory.Connect(epoch, members,
                           rank.clock.Now() + std::chrono::minutes(1)));
  return absl::OkStatus();
}

absl::Status Join(TestRank& rank, int max_ranks, uint64_t epoch, int num_ranks,
                  const std::vector<std::string>& models) {
  EplbConfig config = ConfigOn(num_ranks);
  config.num_redundant_experts = EplbConfig::kAutoRedundantExperts;
  EPLB_RETURN_IF_ERROR(rank.Create(config));
  std::vector<JoiningModel> joining;
  for (const std::string& model : models) {
    joining.push_back(rank.JoiningEngine(model, ShapeOn(num_ranks),
                                         kSlotsPerRank, max_ranks));
  }
  EPLB_RETURN_IF_ERROR(rank.state->ReceiveState(std::move(joining)));
  EPLB_RETURN_IF_ERROR(rank.CheckRows());
  return ConnectTest(rank, epoch + 50, FirstRanks(num_ranks));
}

}  // namespace eplb
