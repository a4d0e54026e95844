#include "eplb/state/state_test_run.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/status_macros.h"
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
  return run;
}

absl::Status ServeRandomRun(TestRank& rank, const RandomRun& run,
                            uint64_t seed) {
  EPLB_RETURN_IF_ERROR(rank.Create(run.config));
  EPLB_RETURN_IF_ERROR(rank.AddModel("main", run.main));
  EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", run.drafter));
  DeterministicRandom random(seed,
                             1 + static_cast<uint64_t>(rank.state->rank()));
  size_t rearrangements = 0;
  for (int step = 0; step < run.num_steps; ++step) {
    // Ranks without work run dummy passes; for a while all of them do.
    const bool is_dummy = random.NextBelow(5) == 0 || (step > 50 && step < 60);
    const int num_tokens = static_cast<int>(random.NextBelow(100));
    EPLB_RETURN_IF_ERROR(rank.Forward(num_tokens, step / 10, random));
    EPLB_RETURN_IF_ERROR(rank.state->Step({.is_dummy = is_dummy}));
    const size_t done = rank.events.EventsOf<RearrangementFinished>().size();
    if (done != rearrangements) EPLB_RETURN_IF_ERROR(rank.CheckRows());
    rearrangements = done;
  }
  if (!rank.events.EventsOf<RearrangementFailed>().empty()) {
    return absl::InternalError("a rearrangement failed");
  }
  return rank.CheckRows();
}

}  // namespace eplb
