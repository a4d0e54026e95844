// Long random runs of a state: drifting traffic, every policy, any group. After
// every rearrangement every weight row is checked, and in every step the
// outputs of all tokens against a model that is never rearranged.

#ifndef EPLB_STATE_STATE_TEST_RUN_H_
#define EPLB_STATE_STATE_TEST_RUN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/core/model_shape.h"
#include "eplb/load/load_recorder.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/state_test_rank.h"

namespace eplb {

struct RandomRun {
  int num_ranks = 0;
  int num_steps = 0;
  ModelShape main;
  ModelShape drafter;
  EplbConfig config;
  std::vector<int> node_of_rank;
  // Of the main model: counters of the engine, in rows this much too wide.
  bool has_engine_counters = false;
  int counter_padding = 0;
  // Of the drafter.
  CountedExperts drafter_counts = CountedExperts::kSlots;
  // Forward ids are given, and so far apart; 0: they count.
  int forward_id_stride = 0;
};

// The run of a seed, on `num_ranks` or, with 0, on 2 to 16.
RandomRun MakeRandomRun(uint64_t seed, int num_ranks = 0);

// The part of one rank, whose state was not created yet. DataLoss for a wrong
// weight or output. Returns how many rearrangements moved something.
absl::StatusOr<int> ServeRandomRun(TestRank& rank, const RandomRun& run,
                                   uint64_t seed);

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_RUN_H_
