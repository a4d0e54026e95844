// BackgroundParts: what the serving thread and the worker of one rank share.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_PARTS_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_PARTS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/agreed_units.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_orders.h"
#include "eplb/state/background/commit_fence.h"
#include "eplb/state/background/transfer_budget.h"
#include "eplb/state/background/worker_progress.h"
#include "kernels/device.h"

namespace eplb {

// How a run has ended.
struct RunReport {
  int64_t step = 0;  // At which it began.
  // OK when everything planned was agreed on, or the run was ended by wish.
  absl::Status status;
  // Why it ended before everything was agreed on; empty when it did not.
  std::string ended_early;
  int layers_planned = 0;
  int layers_agreed = 0;
  // This rank's traffic for these.
  int64_t bytes_received = 0;
  int64_t bytes_switched = 0;
  double seconds = 0;
};

struct BackgroundModel {
  std::string name;                    // For messages to people.
  WeightShuffler* shuffler = nullptr;  // Borrowed.
};

struct BackgroundDependencies {
  // In the order in which all ranks added them.
  std::vector<BackgroundModel> models;
  Device* device = nullptr;  // Borrowed.
  Clock* clock = nullptr;    // Borrowed.

  // How the worker connects anew after a failure; `attempt` counts from 1. All
  // ranks of the group take part; one that comes to an attempt that others have
  // given up fails fast, so that it finds them at their next. Called by the
  // worker. Null: the first failure of the channels is final, on all ranks.
  std::function<absl::StatusOr<ShuffleChannels>(uint64_t attempt,
                                                SteadyTime deadline)>
      connect;

  // Called by the worker after every run.
  std::function<void(const RunReport&)> on_run_end;
  // Called when something else than a run has failed, of the step that is
  // named: by the worker, and by the serving thread of a worker that is stuck.
  std::function<void(int64_t step, const absl::Status&)> on_failure;
  // Called by the serving thread when it has waited at its fence for a sixth
  // of the timeout; `silent_ranks` have not told their workers' fences, this
  // one among them when its own worker is elsewhere.
  std::function<void(int64_t step, std::chrono::nanoseconds waited,
                     const std::vector<int>& silent_ranks)>
      on_slow_wait;
};

// Thread-safe where its parts are.
struct BackgroundParts {
  BackgroundParts(const BackgroundOptions& background_options,
                  BackgroundDependencies deps, int64_t passed,
                  CommitFence::SlowWait slow_wait)
      : options(background_options),
        dependencies(std::move(deps)),
        fence(*dependencies.clock, passed, std::move(slow_wait)),
        orders(*dependencies.clock, options.operation_timeout),
        budget(*dependencies.clock, options.transfer_bytes_per_step,
               options.refill_interval),
        progress(*dependencies.clock) {}

  SteadyTime Deadline() const {
    return dependencies.clock->Now() + options.operation_timeout;
  }

  void TellFailure(int64_t step, const absl::Status& status) const {
    if (dependencies.on_failure) dependencies.on_failure(step, status);
  }

  const BackgroundOptions options;
  const BackgroundDependencies dependencies;
  CommitFence fence;
  BackgroundOrders orders;
  AgreedUnits agreed;
  TransferBudget budget;
  WorkerProgress progress;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_PARTS_H_
