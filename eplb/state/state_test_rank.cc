#include "eplb/state/state_test_rank.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_engine.h"
#include "policies/builtin_policies.h"
#include "testing/deterministic_random.h"

namespace eplb {

TestRank::TestRank(CommunicatorFactory& the_factory, Clock& the_clock,
                   std::vector<int> the_members, uint64_t the_epoch)
    : factory(the_factory),
      clock(the_clock),
      members(std::move(the_members)),
      epoch(the_epoch) {}

absl::Status TestRank::Create(const EplbConfig& config) {
  EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(policies));
  EPLB_ASSIGN_OR_RETURN(stream, device.CreateStream());
  EPLB_ASSIGN_OR_RETURN(
      control,
      factory.Connect(epoch, members, clock.Now() + std::chrono::minutes(1)));
  EplbDependencies dependencies;
  dependencies.control = control.get();
  dependencies.members = {epoch, members};
  dependencies.node_of_job_rank = node_of_job_rank;
  dependencies.control_factory = &factory;
  dependencies.background_control_factory = background_factory;
  dependencies.policies = &policies;
  dependencies.device = state_device;
  dependencies.clock = &clock;
  dependencies.events = &events;
  EPLB_ASSIGN_OR_RETURN(state, EplbState::Create(config, dependencies));
  return absl::OkStatus();
}

absl::Status TestRank::AddModel(const std::string& name,
                                const ModelShape& shape,
                                const ModelOptions& options) {
  engines.push_back(std::make_unique<TestEngine>(
      shape, shape.num_physical_experts() / state->topology().num_ranks()));
  EPLB_ASSIGN_OR_RETURN(const Placement initial, Placement::Initial(shape));
  engines.back()->Load(initial, state->rank());
  engines.back()->set_counted_experts(options.counted_experts);
  return state->AddModel(name, shape, engines.back()->Weights(), options);
}

JoiningModel TestRank::JoiningEngine(const std::string& name,
                                     const ModelShape& shape,
                                     int slots_per_rank, int max_ranks) {
  engines.push_back(std::make_unique<TestEngine>(shape, slots_per_rank));
  return {.name = name,
          .weights = engines.back()->Weights(),
          .options = {.max_ranks = max_ranks}};
}

absl::Status TestRank::CheckRows() const {
  for (size_t model = 0; model < engines.size(); ++model) {
    const std::string wrong = engines[model]->FindWrongRow(
        state->placement(static_cast<int>(model)), state->rank());
    if (!wrong.empty()) return absl::DataLossError(wrong);
  }
  return absl::OkStatus();
}

absl::Status TestRank::Forward(int num_tokens, int phase,
                               DeterministicRandom& random) {
  for (size_t model = 0; model < engines.size(); ++model) {
    const RoutedTokens routed =
        engines[model]->Forward(*state, static_cast<int>(model), device,
                                *stream, num_tokens, phase, random);
    // Every rank computes all its slots; the tokens take what they were sent
    // to.
    const std::vector<uint64_t> mine = engines[model]->ComputeSlots();
    std::vector<uint64_t> all(mine.size() * control->size());
    EPLB_RETURN_IF_ERROR(
        control->AllGather({mine.data(), mine.size() * sizeof(uint64_t)},
                           {all.data(), all.size() * sizeof(uint64_t)},
                           clock.Now() + std::chrono::minutes(1)));
    const Placement& placement = state->placement(static_cast<int>(model));
    const size_t slots_per_rank = mine.size() / placement.num_layers();
    for (const RoutedTokens::Token& token : routed.tokens) {
      const size_t rank = token.slot / slots_per_rank;
      const uint64_t output =
          all[rank * mine.size() + token.layer * slots_per_rank +
              token.slot % slots_per_rank];
      if (output != TestEngine::ComputeExpert(token.layer, token.expert)) {
        return absl::DataLossError(absl::StrCat(
            "layer ", token.layer, ": slot ", token.slot,
            " does not compute what expert ", token.expert, " does"));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<absl::Status> OnTestRanks(
    int num_ranks, Clock& clock,
    const std::function<absl::Status(int job_rank, CommunicatorFactory&)>&
        body) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  if (!group.ok()) return {group.status()};
  std::vector<absl::Status> results(num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto factory = (*group)->FactoryOfRank(rank);
      results[rank] = body(rank, *factory);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace eplb
