// An engine of two ranks, as threads, that serves one layer of eight experts
// and has EPLB move their weights. Shows which experts each rank ends up with:
//
//   rank 0 holds experts 1 1 2 3 5
//
// examples/serve_loop.cc of EPLB explains the steps.

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"

namespace downstream {
namespace {

constexpr int kNumRanks = 2;
constexpr int kNumSteps = 30;
constexpr eplb::ModelShape kShape{
    .num_layers = 1, .num_logical_experts = 8, .num_redundant_experts = 2};
constexpr int kSlotsPerRank = 10 / kNumRanks;

// The weights of an expert of this engine are its number.
using Weights = std::vector<int32_t>;

absl::StatusOr<Weights> LoadWeights(int rank) {
  EPLB_ASSIGN_OR_RETURN(const eplb::Placement initial,
                        eplb::Placement::Initial(kShape));
  Weights weights(kSlotsPerRank);
  for (int slot = 0; slot < kSlotsPerRank; ++slot) {
    weights[slot] = initial.expert_of_slot(0, rank * kSlotsPerRank + slot);
  }
  return weights;
}

// Returns the weights of the rank's slots after the last step.
absl::StatusOr<Weights> Serve(eplb::Communicator& communicator,
                              eplb::Clock& clock) {
  const int rank = communicator.rank();
  eplb::CpuDevice device({.num_threads = 1});
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::Stream> stream,
                        device.CreateStream());
  EPLB_ASSIGN_OR_RETURN(Weights weights, LoadWeights(rank));

  eplb::PolicyRegistry policies;
  EPLB_RETURN_IF_ERROR(eplb::RegisterBuiltinPolicies(policies));
  eplb::EplbConfig config;
  config.window_size = 10;
  config.step_interval = 20;
  config.num_redundant_experts = kShape.num_redundant_experts;
  eplb::EplbDependencies dependencies;
  dependencies.control = &communicator;
  dependencies.policies = &policies;
  dependencies.device = &device;
  dependencies.clock = &clock;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::EplbState> state,
                        eplb::EplbState::Create(config, dependencies));
  EPLB_ASSIGN_OR_RETURN(
      eplb::ExpertWeights expert_weights,
      eplb::ExpertWeights::Create({{{.name = "number",
                                     .data = weights.data(),
                                     .num_rows = kSlotsPerRank,
                                     .bytes_per_row = sizeof(int32_t),
                                     .stride_bytes = sizeof(int32_t)}}}));
  EPLB_RETURN_IF_ERROR(
      state->AddModel("tiny", kShape, std::move(expert_weights)));

  // Half of the tokens want expert 1, the others share experts 0 and 4.
  const std::vector<int32_t> router_ids = {0, 1, 4, 1, 0, 1, 4, 1};
  std::vector<int32_t> slots(router_ids.size());
  const eplb::LayerView layer = state->layer_view(/*model=*/0, /*layer=*/0);
  for (int step = 0; step < kNumSteps; ++step) {
    EPLB_RETURN_IF_ERROR(
        device.MapAndRecord({.table = layer.routes,
                             .rank = rank,
                             .logical_ids = router_ids.data(),
                             .num_tokens = static_cast<int>(router_ids.size()),
                             .top_k = 1,
                             .slot_ids = slots.data(),
                             .slot_counts = layer.pass_counts},
                            *stream));
    EPLB_RETURN_IF_ERROR(state->Step({.stream = stream.get()}));
  }
  for (int slot = 0; slot < kSlotsPerRank; ++slot) {
    if (weights[slot] != state->placement(/*model=*/0)
                             .expert_of_slot(0, rank * kSlotsPerRank + slot)) {
      return absl::InternalError("a slot holds the weights of another expert");
    }
  }
  return weights;
}

absl::Status ServeOnThreads() {
  eplb::SystemClock clock;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::InProcessGroup> group,
                        eplb::InProcessGroup::Create(kNumRanks, clock));
  std::vector<absl::StatusOr<Weights>> results(kNumRanks);
  const auto run_rank = [&](int rank) -> absl::StatusOr<Weights> {
    EPLB_ASSIGN_OR_RETURN(
        const std::unique_ptr<eplb::Communicator> communicator,
        group->FactoryOfRank(rank)->Connect(
            /*epoch=*/1, {0, 1}, clock.Now() + std::chrono::seconds(30)));
    return Serve(*communicator, clock);
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kNumRanks; ++rank) {
    threads.emplace_back([&, rank] { results[rank] = run_rank(rank); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int rank = 0; rank < kNumRanks; ++rank) {
    EPLB_RETURN_IF_ERROR(results[rank].status());
    std::cout << "rank " << rank << " holds experts "
              << absl::StrJoin(*results[rank], " ") << "\n";
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace downstream

int main() {
  const absl::Status status = downstream::ServeOnThreads();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
