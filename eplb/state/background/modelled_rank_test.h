// ModelledRank: one rank of the BackgroundModel: an engine's serving loop with
// patterned weights and route tables, around the production code.

#ifndef EPLB_STATE_BACKGROUND_MODELLED_RANK_TEST_H_
#define EPLB_STATE_BACKGROUND_MODELLED_RANK_TEST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_model_test.h"
#include "eplb/state/background/background_rearrangement.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/scheduled_network.h"
#include "testing/seeded_scheduler.h"

namespace eplb {

// What all ranks of a model do at the same steps.
struct ModelScript {
  static constexpr int kLayers = 3;
  static constexpr int kSlotsPerRank = 3;
  static constexpr int64_t kFirstStep = 100;
  static constexpr int64_t kLastStep = 160;
  static constexpr int64_t kInterval = 18;
  static constexpr int64_t kTaskInterval = 5;

  ModelOptions options;
  int num_ranks = 2;
  int64_t drain_step = -1;
  int64_t weights_change_step = -1;
  size_t staging_bytes = 0;
  int64_t switch_bytes = 0;

  int num_experts() const { return num_ranks * kSlotsPerRank - 2; }
  // What the run that begins at `step` aims at; at 0, what ranks start with.
  Placement PlacementAt(int64_t step) const;
};

// Of a rank. Another thread may do something whenever its worker looks at it,
// so also between two lines that wait for nothing.
class InterruptingClock final : public Clock {
 public:
  explicit InterruptingClock(SeededScheduler& scheduler)
      : scheduler_(scheduler) {}

  // `interrupt` happens once: at some look, or at the latest in EndInterrupt.
  void Interrupt(std::function<void()> interrupt) {
    interrupt_ = std::move(interrupt);
  }
  void EndInterrupt() {
    if (interrupt_) std::exchange(interrupt_, nullptr)();
  }

  SteadyTime Now() const override;
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return scheduler_.clock().WaitUntil(changed, mutex, deadline);
  }

 private:
  SeededScheduler& scheduler_;
  mutable std::function<void()> interrupt_;
};

// How far the ranks' engines are.
struct ModelProgress {
  // Ranks that serve.
  int num_serving = 0;
  // Of each rank, the step that it serves.
  std::vector<int64_t> steps;
};

class ModelledRank {
 public:
  // `progress` counts this rank as serving.
  ModelledRank(const ModelScript& script, int rank, SeededScheduler& scheduler,
               ScheduledNetwork& network, ModelProgress& progress);

  // The serving thread. Spawns the worker, and shuts it down when no rank
  // serves any more: an engine does not leave the others alone.
  void Serve();

  // Local, from any thread.
  void Shutdown();

  // What was routed by during each step that this rank served.
  const std::map<int64_t, uint64_t>& routes_of_step() const {
    return routes_of_step_;
  }
  const ModelOutcome& outcome() const { return outcome_; }
  // Whether it has met the others once.
  bool has_served() const { return background_ != nullptr; }

 private:
  absl::StatusOr<ShuffleChannels> Connect(uint64_t attempt,
                                          SteadyTime deadline);
  absl::StatusOr<std::vector<ShuffleUnits>> Plan(
      int64_t step, const ShuffleChannels& channels);
  absl::Status AddUp(int64_t step, const ShuffleChannels& channels);

  bool ServeStep(int64_t step);
  void StayTogether(int64_t step);
  bool PassStep(int64_t step);
  bool Drain(int64_t step);
  void GiveOrders(int64_t step);
  void RewriteWeights();
  void FillWeights();
  void CheckWeights(int64_t step);
  absl::Status Publish(const ShuffleUnit& unit);
  uint64_t HashOfRoutes() const;
  void Violation(const std::string& what);
  bool is_dead() const { return network_.is_dead(rank_); }
  void Pause();

  const ModelScript& script_;
  const int rank_;
  SeededScheduler& scheduler_;
  InterruptingClock clock_{scheduler_};
  ScheduledNetwork& network_;
  ModelProgress& progress_;
  const Topology topology_;
  const std::unique_ptr<CommunicatorFactory> factory_;
  CpuDevice device_{{.num_threads = 1}};
  std::unique_ptr<Stream> stream_;
  std::vector<std::byte> memory_;
  std::vector<std::vector<int32_t>> routes_;
  int weights_generation_ = 0;
  std::unique_ptr<WeightShuffler> shuffler_;
  std::unique_ptr<BackgroundRearrangement> background_;
  bool is_shut_down_ = false;

  std::map<int64_t, uint64_t> routes_of_step_;
  ModelOutcome outcome_;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_MODELLED_RANK_TEST_H_
