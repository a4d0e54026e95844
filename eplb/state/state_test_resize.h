// What tests of groups that grow and shrink share: a model of five slots per
// rank, and ranks that serve, join and check every row.

#ifndef EPLB_STATE_STATE_TEST_RESIZE_H_
#define EPLB_STATE_STATE_TEST_RESIZE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/model_shape.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/state_test_rank.h"

namespace eplb {

inline constexpr int kSlotsPerRank = 5;

ModelShape ShapeOn(int num_ranks);
EplbConfig ConfigOn(int num_ranks);
std::vector<int> FirstRanks(int count);

// Steps with traffic; every row and output is checked after each. The tests'
// own communicator has the members of the state.
absl::Status Serve(TestRank& rank, int num_steps, int phase, uint64_t seed);

// The test's own communicator for a group after a resize; of an epoch that the
// state does not use.
absl::Status ConnectTest(TestRank& rank, uint64_t epoch,
                         const std::vector<int>& members);

// Joins the first ranks of the job, in `epoch`, with models of these names.
absl::Status Join(TestRank& rank, int max_ranks, uint64_t epoch, int num_ranks,
                  const std::vector<std::string>& models = {"main"});

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_RESIZE_H_
