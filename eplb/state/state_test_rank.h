// TestRank: one rank of a test of EplbState: its dependencies, its state and an
// engine per model.

#ifndef EPLB_STATE_STATE_TEST_RANK_H_
#define EPLB_STATE_STATE_TEST_RANK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_engine.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "policies/policy_registry.h"
#include "testing/deterministic_random.h"
#include "testing/recording_event_sink.h"

namespace eplb {

// Thread-compatible.
struct TestRank {
  // `factory` connects `members` in each epoch; the first is `epoch`.
  TestRank(CommunicatorFactory& factory, Clock& clock, std::vector<int> members,
           uint64_t epoch = 1);

  absl::Status Create(const EplbConfig& config);

  // A new engine, whose weights hold the initial placement.
  absl::Status AddModel(const std::string& name, const ModelShape& shape,
                        const ModelOptions& options = {});
  // A new engine without experts, that joins.
  JoiningModel JoiningEngine(const std::string& name, const ModelShape& shape,
                             int slots_per_rank, int max_ranks);

  // A forward pass of every model. DataLoss when an expert computes something
  // else than the same expert of a model that was never rearranged.
  absl::Status Forward(int num_tokens, int phase, DeterministicRandom& random);

  // DataLoss unless every slot holds the expert that the placement says.
  absl::Status CheckRows() const;

  CommunicatorFactory& factory;
  Clock& clock;
  const std::vector<int> members;
  const uint64_t epoch;
  // As in EplbDependencies.
  std::vector<int> node_of_job_rank;
  // Of a worker, when there is one to be.
  CommunicatorFactory* background_factory = nullptr;
  // Of the test, beside those of the state.
  std::unique_ptr<Communicator> control;
  CpuDevice device{{.num_threads = 1}};
  // What the state gets, for tests of what a device does to it.
  Device* state_device = &device;
  std::unique_ptr<Stream> stream;
  PolicyRegistry policies;
  RecordingEventSink events;
  std::vector<std::unique_ptr<TestEngine>> engines;
  std::unique_ptr<EplbState> state;
};

// Runs `body` for each of `num_ranks` job ranks, on threads of one process, and
// returns what it returned. The factory is that of the rank.
std::vector<absl::Status> OnTestRanks(
    int num_ranks, Clock& clock,
    const std::function<absl::Status(int job_rank, CommunicatorFactory&)>&
        body);

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_RANK_H_
