// The smallest complete engine loop: four ranks, as threads, that route tokens
// to experts while EPLB counts them and moves the experts' weights.
//
//   ./bazelw run //examples:serve_loop
//
// What an engine has to do is in Serve(), in this order: say where its weights
// are, route by the layers' tables and count into their counters, and call
// Step() after every forward pass, on all ranks. Ranks in processes of their
// own differ in one thing, where the communicator comes from
// (docs/integration.md).

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"

namespace {

constexpr int kRanks = 4;
constexpr int kSteps = 100;
constexpr int kTokens = 256;  // Of a rank, in one step.
constexpr int kTopK = 2;
constexpr size_t kExpertBytes = 4096;
constexpr eplb::ModelShape kShape{
    .num_layers = 2, .num_logical_experts = 16, .num_redundant_experts = 8};
constexpr int kSlotsPerRank = 24 / kRanks;

// Says what was moved. Events are the same on all ranks.
class PrintRearrangements final : public eplb::EventSink {
 public:
  void Record(const eplb::Event& event) override {
    const auto* done = std::get_if<eplb::RearrangementFinished>(&event);
    if (done == nullptr) return;
    std::printf("step %d: balancedness %.2f, planned %.2f, %d slots moved\n",
                static_cast<int>(done->step), done->balancedness_before,
                done->balancedness_planned,
                static_cast<int>(done->moved_slots));
  }
};

// What a router would choose: a few experts get most of the tokens.
std::vector<int32_t> RouterChoices(std::mt19937& random) {
  std::geometric_distribution<int32_t> skewed(0.25);
  std::vector<int32_t> experts(kTokens * kTopK);
  for (int32_t& expert : experts) {
    expert = skewed(random) % kShape.num_logical_experts;
  }
  return experts;
}

absl::Status Serve(eplb::Communicator& communicator, eplb::Clock& clock) {
  eplb::CpuDevice device({.num_threads = 1});
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::Stream> stream,
                        device.CreateStream());

  // The engine's weights: so many slots per layer, which hold the experts of
  // the initial placement.
  const size_t layer_bytes = kSlotsPerRank * kExpertBytes;
  std::vector<std::byte> memory(kShape.num_layers * layer_bytes);
  EPLB_ASSIGN_OR_RETURN(const eplb::Placement initial,
                        eplb::Placement::Initial(kShape));
  std::vector<std::vector<eplb::ExpertTensor>> tensors;
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    std::byte* const data = memory.data() + layer * layer_bytes;
    tensors.push_back({{.name = "weights",
                        .data = data,
                        .num_rows = kSlotsPerRank,
                        .bytes_per_row = kExpertBytes,
                        .stride_bytes = kExpertBytes}});
    for (int slot = 0; slot < kSlotsPerRank; ++slot) {
      const int32_t expert = initial.expert_of_slot(
          layer, communicator.rank() * kSlotsPerRank + slot);
      // Here an engine loads its checkpoint.
      std::fill_n(data + slot * kExpertBytes, kExpertBytes,
                  static_cast<std::byte>(expert));
    }
  }
  EPLB_ASSIGN_OR_RETURN(eplb::ExpertWeights weights,
                        eplb::ExpertWeights::Create(std::move(tensors)));

  // The balancer.
  eplb::PolicyRegistry policies;
  EPLB_RETURN_IF_ERROR(eplb::RegisterBuiltinPolicies(policies));
  PrintRearrangements events;
  eplb::EplbConfig config;
  config.window_size = 20;
  config.step_interval = 40;
  config.num_redundant_experts = kShape.num_redundant_experts;
  eplb::EplbDependencies dependencies;
  dependencies.control = &communicator;
  dependencies.policies = &policies;
  dependencies.device = &device;
  dependencies.clock = &clock;
  if (communicator.rank() == 0) dependencies.events = &events;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::EplbState> state,
                        eplb::EplbState::Create(config, dependencies));
  EPLB_RETURN_IF_ERROR(state->AddModel("main", kShape, std::move(weights)));

  std::mt19937 random(communicator.rank());
  std::vector<int32_t> slots(kTokens * kTopK);
  for (int step = 0; step < kSteps; ++step) {
    for (int layer = 0; layer < kShape.num_layers; ++layer) {
      const std::vector<int32_t> experts = RouterChoices(random);
      // The addresses of a view never change: fetch it once, or capture it in
      // a graph.
      const eplb::LayerView view = state->layer_view(/*model=*/0, layer);
      EPLB_RETURN_IF_ERROR(
          device.MapAndRecord({.table = view.routes,
                               .rank = communicator.rank(),
                               .logical_ids = experts.data(),
                               .num_tokens = kTokens,
                               .top_k = kTopK,
                               .slot_ids = slots.data(),
                               .slot_counts = view.pass_counts},
                              *stream));
      // Here an engine sends each token to the rank of its slot, which is
      // slot / kSlotsPerRank, has the expert there compute, and combines.
    }
    EPLB_RETURN_IF_ERROR(state->Step({.stream = stream.get()}));
  }

  // Every slot holds the expert that the placement says.
  const eplb::Placement& placement = state->placement(/*model=*/0);
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    for (int slot = 0; slot < kSlotsPerRank; ++slot) {
      const int32_t expert = placement.expert_of_slot(
          layer, communicator.rank() * kSlotsPerRank + slot);
      if (memory[layer * layer_bytes + slot * kExpertBytes] !=
          static_cast<std::byte>(expert)) {
        return absl::InternalError("a slot holds another expert");
      }
    }
  }
  return absl::OkStatus();
}

// The ranks of one process; each connects on its own thread.
absl::Status ServeOnThreads() {
  eplb::SystemClock clock;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<eplb::InProcessGroup> group,
                        eplb::InProcessGroup::Create(kRanks, clock));
  std::vector<absl::Status> results(kRanks);
  const auto run_rank = [&](int rank) -> absl::Status {
    EPLB_ASSIGN_OR_RETURN(
        const std::unique_ptr<eplb::Communicator> communicator,
        group->FactoryOfRank(rank)->Connect(
            /*epoch=*/1, {0, 1, 2, 3}, clock.Now() + std::chrono::seconds(30)));
    return Serve(*communicator, clock);
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] { results[rank] = run_rank(rank); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EPLB_RETURN_IF_ERROR(result);
  std::printf("%d steps on %d ranks: every slot holds its expert\n", kSteps,
              kRanks);
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = ServeOnThreads();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
