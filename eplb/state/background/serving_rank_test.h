// ServingRank: one rank of an engine, for tests with real threads or processes:
// patterned weights, route tables, and a worker in a thread of its own.

#ifndef EPLB_STATE_BACKGROUND_SERVING_RANK_TEST_H_
#define EPLB_STATE_BACKGROUND_SERVING_RANK_TEST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_rearrangement.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"

namespace eplb {

// One channel for control and data, over a communicator.
ShuffleChannels ChannelsOver(std::unique_ptr<Communicator> communicator,
                             uint64_t epoch);

class ServingRank {
 public:
  using Connect = std::function<absl::StatusOr<ShuffleChannels>(
      uint64_t attempt, SteadyTime deadline)>;

  // Holds `placement` on `rank` of as many ranks as divide its slots.
  // `connect` is called with attempt 0 by Start.
  ServingRank(const Placement& placement, int rank, int num_ranks, Clock& clock,
              Connect connect, size_t row_bytes = 64,
              const ShuffleOptions& options = {});
  // Shuts the worker down.
  ~ServingRank();

  // Connects, and starts the worker, after step 0.
  absl::Status Start(const BackgroundOptions& options = {},
                     bool can_reconnect = true);

  // Checks every row, and ends the step.
  absl::Status Pass(int64_t step);
  absl::Status Drain(int64_t step);
  // Begins a run to `next`, if one begins.
  bool MayRun(int64_t step, bool at_interval, const Placement& next);

  // The first slot that does not hold the expert it is routed for; empty when
  // all do.
  std::string FindWrongRow() const;
  bool IsRoutedBy(const Placement& placement) const;
  // Of what is routed by.
  uint64_t HashOfRoutes() const;

  BackgroundRearrangement& background() { return *background_; }
  int64_t layers_agreed() const { return layers_agreed_; }
  // That were told as no run's.
  int64_t failures_told() const { return failures_told_; }
  int64_t runs_completed() const { return runs_completed_; }
  int64_t layers_switched() const { return layers_switched_; }

 private:
  absl::Span<std::byte> Row(int layer, int slot) {
    return absl::MakeSpan(memory_).subspan(
        (static_cast<size_t>(layer) * slots_per_rank_ + slot) * row_bytes_,
        row_bytes_);
  }
  absl::Status Publish(const ShuffleUnit& unit);

  Clock& clock_;
  const int rank_;
  const int slots_per_rank_;
  const size_t row_bytes_;
  const Topology topology_;
  const Connect connect_;
  CpuDevice device_{{.num_threads = 1}};
  const std::unique_ptr<Stream> stream_;
  mutable std::vector<std::byte> memory_;
  std::vector<std::vector<int32_t>> routes_;
  std::unique_ptr<WeightShuffler> shuffler_;
  std::unique_ptr<BackgroundRearrangement> background_;
  std::thread worker_;
  std::atomic<int64_t> layers_agreed_ = 0;
  std::atomic<int64_t> runs_completed_ = 0;
  std::atomic<int64_t> failures_told_ = 0;
  int64_t layers_switched_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_SERVING_RANK_TEST_H_
