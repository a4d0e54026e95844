// ShuffleGroup: ranks as threads with patterned weights, for tests of the
// weight shuffler.

#ifndef EPLB_SHUFFLE_SHUFFLE_GROUP_TEST_H_
#define EPLB_SHUFFLE_SHUFFLE_GROUP_TEST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_communicator.h"
#include "testing/faulty_device.h"

namespace eplb {

// The weights of one rank: a large tensor with gaps between its rows, and a
// small one whose rows are no multiple of a word.
class RankWeights {
 public:
  RankWeights(int num_layers, int num_slots, MemorySpace space);

  ExpertWeights weights() const { return *weights_; }

  // Poison where a slot is empty.
  void Fill(int layer, absl::Span<const int32_t> experts);
  // Whether every slot holds its expert; those that are empty may hold
  // anything.
  bool Holds(int layer, absl::Span<const int32_t> experts) const;

  // All bytes, gaps included, or those of a layer.
  const std::vector<std::byte>& memory() const { return memory_; }
  std::vector<std::byte> memory(int layer) const;

 private:
  std::vector<std::byte> memory_;
  absl::StatusOr<ExpertWeights> weights_;
};

// What one rank has, and a fault may be in. The members are in the order in
// which they may be destroyed.
struct ShuffleRank {
  std::unique_ptr<RankWeights> weights;
  std::unique_ptr<FaultyDevice> device;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<WeightShuffler> shuffler;
  // What the route tables would be: published with each switch.
  std::vector<std::vector<int32_t>> routes;

  absl::Status Publish(const ShuffleUnit& unit);
};

// Where a rank's channels fail.
struct ChannelFaults {
  std::vector<Fault> control;
  std::vector<Fault> data;
};

class ShuffleGroup {
 public:
  ShuffleGroup(int num_ranks, const Placement& placement);

  // `device_options` by rank; the last one for all further ranks.
  void CreateRanks(const ShuffleOptions& options,
                   std::vector<FaultyDeviceOptions> device_options = {{}});

  // Runs `body` on a thread for each of `ranks` and joins them.
  static void Run(absl::Span<const int> ranks,
                  const std::function<void(int)>& body);

  // Blocks until all members connect.
  ShuffleChannels Connect(int rank, uint64_t epoch, std::vector<int> members,
                          ChannelFaults faults = {});

  // Operations that went through the channels of the last Connect.
  int64_t control_operations(int rank) const {
    return control_[rank]->num_operations();
  }
  int64_t data_operations(int rank) const {
    return data_[rank]->num_operations();
  }

  // The slots of `rank` in one layer's slots of the group.
  absl::Span<const int32_t> Local(absl::Span<const int32_t> experts,
                                  int rank) const {
    return experts.subspan(rank * slots_per_rank_, slots_per_rank_);
  }

  // Whether the rank's weights, its routes and what the shuffler says are
  // installed are the layer's slots of `placement`.
  bool Holds(int rank, int layer, const Placement& placement) const;

  Clock& clock() { return clock_; }
  SteadyTime Soon() const;
  int num_ranks() const { return num_ranks_; }
  std::vector<int> all_ranks() const;
  ShuffleRank& rank(int rank) { return ranks_[rank]; }

 private:
  SystemClock clock_;
  const int num_ranks_;
  const int slots_per_rank_;
  const Placement placement_;
  const std::unique_ptr<InProcessGroup> control_group_;
  const std::unique_ptr<InProcessGroup> data_group_;
  std::vector<ShuffleRank> ranks_;
  std::vector<FaultyCommunicator*> control_;  // Owned by the channels.
  std::vector<FaultyCommunicator*> data_;
};

// Every expert has a slot, and some slots are empty.
Placement RandomPlacement(DeterministicRandom& random, int num_layers,
                          int num_experts, int num_slots);

}  // namespace eplb

#endif  // EPLB_SHUFFLE_SHUFFLE_GROUP_TEST_H_
