#include "eplb/state/state_test_run.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_recorder.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/model.h"
#include "eplb/state/state_test_rank.h"
#include "testing/deterministic_random.h"

namespace eplb {

RandomRun MakeRandomRun(uint64_t seed, int num_ranks) {
  DeterministicRandom random(seed);
  const auto below = [&random](int64_t bound) {
    return static_cast<int>(random.NextBelow(bound));
  };
  RandomRun run;
  run.num_ranks = num_ranks > 0 ? num_ranks : 2 + below(15);
  run.num_steps = 150 + below(100);
  const int slots_per_rank = 2 + below(4);
  const int slots = run.num_ranks * slots_per_rank;
  run.main.num_layers = 1 + below(4);
  run.main.num_logical_experts = 1 + below(slots);
  if (below(3) == 0) {
    // Groups of one size.
    run.main.num_expert_groups = 1 + below(4);
    run.main.num_logical_experts =
        std::max(1, run.main.num_logical_experts / run.main.num_expert_groups) *
        run.main.num_expert_groups;
    if (run.main.num_logical_experts > slots) {
      run.main.num_expert_groups = run.main.num_logical_experts = 1;
    }
  }
  run.main.num_redundant_experts = slots - run.main.num_logical_experts;
  run.drafter = run.main;
  run.drafter.num_layers = 1;
  run.config.num_redundant_experts = run.main.num_redundant_experts;
  const std::string policies[] = {"hierarchical", "greedy", "refined",
                                  "incremental"};
  run.config.policy = policies[below(4)];
  run.config.step_interval = 3 + below(20);
  run.config.window_size = 1 + below(30);
  run.config.load_decay = below(3) == 0 ? 0.9 : 1.0;
  run.config.max_moves_per_layer = below(3) == 0 ? slots_per_rank : 0;
  run.config.verify_checksums = below(2) == 0;
  run.config.log_balancedness = below(2) == 0;
  run.config.log_balancedness_interval = 1 + below(5);
  run.config.min_balancedness_gain = below(3) == 0 ? 0.02 : 0;
  // Room for a few experts: layers go in pieces.
  run.config.staging_bytes = below(3) == 0 ? 1024 : 0;
  if (below(2) == 0) {
    const int ranks_per_node = 1 + below(4);
    for (int rank = 0; rank < run.num_ranks; ++rank) {
      run.node_of_rank.push_back(rank / ranks_per_node);
    }
  }
  run.has_engine_counters = below(2) == 0;
  run.counter_padding = below(3);
  if (below(2) == 0) run.drafter_counts = CountedExperts::kLogicalExperts;
  run.forward_id_stride = below(4);
  return run;
}

absl::StatusOr<int> ServeRandomRun(TestRank& rank, const RandomRun& run,
                                   uint64_t seed) {
  rank.node_of_job_rank = run.node_of_rank;
  EPLB_RETURN_IF_ERROR(rank.Create(run.config));
  ModelOptions options;
  std::vector<int32_t> counters;
  if (run.has_engine_counters) {
    options.counts.layer_stride =
        run.main.num_physical_experts() + run.counter_padding;
    counters.resize(run.main.num_layers * options.counts.layer_stride);
    options.counts.data = counters.data();
  }
  EPLB_RETURN_IF_ERROR(rank.AddModel("main", run.main, options));
  EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", run.drafter,
                                     {.counted_experts = run.drafter_counts}));
  DeterministicRandom random(seed,
                             1 + static_cast<uint64_t>(rank.state->rank()));
  for (int step = 0; step < run.num_steps; ++step) {
    // Ranks without work run dummy passes; for a while all of them do.
    const bool is_dummy = random.NextBelow(5) == 0 || (step > 50 && step < 60);
    const int num_tokens = static_cast<int>(random.NextBelow(100));
    EPLB_RETURN_IF_ERROR(rank.Forward(num_tokens, step / 10, random));
    StepOptions step_options{.is_dummy = is_dummy};
    if (run.forward_id_stride > 0) {
      step_options.forward_id = 5 + step * run.forward_id_stride;
    }
    EPLB_RETURN_IF_ERROR(rank.state->Step(step_options));
    // At the interval.
    if (rank.state->rearrangement_step() != 0) continue;
    EPLB_RETURN_IF_ERROR(rank.CheckRows());
  }
  if (!rank.events.EventsOf<RearrangementFailed>().empty()) {
    return absl::InternalError("a rearrangement failed");
  }
  EPLB_RETURN_IF_ERROR(rank.CheckRows());
  return static_cast<int>(rank.events.EventsOf<RearrangementFinished>().size());
}

}  // namespace eplb
