// WeightShuffler: moves expert weights between the ranks of a group as a
// transaction. After a failure at any point each layer is, on all ranks
// together, all old or all new, or in doubt until the next epoch settles it the
// same way everywhere; where it is old, the live weights were never touched.
//
//   EPLB_ASSIGN_OR_RETURN(ShuffleUnits units,
//                         shuffler.Plan(next_placement, topology, rank));
//   for (const std::shared_ptr<const ShuffleUnit>& unit : units) {
//     // In the thread that moves weights:
//     shuffler.Stage(unit, channels).IgnoreError();  // The vote tells it.
//     EPLB_RETURN_IF_ERROR(shuffler.Vote(*unit, channels));
//     EPLB_ASSIGN_OR_RETURN(int64_t step,
//                           shuffler.Commit(*unit, fence, channels));
//     // In the thread that serves, when it reaches `step`:
//     EPLB_RETURN_IF_ERROR(shuffler.Switch(*unit, stream, publish));
//   }
//
// ShuffleNow does this in one go. All ranks make the same calls in the same
// order, with units planned from the same placements. docs/shuffle.md describes
// the protocol, what it guarantees, and what "in doubt" asks of the caller.

#ifndef EPLB_SHUFFLE_WEIGHT_SHUFFLER_H_
#define EPLB_SHUFFLE_WEIGHT_SHUFFLER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/commit_protocol.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/installed_layers.h"
#include "eplb/shuffle/row_exchange.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/staging_area.h"
#include "eplb/shuffle/unit_rows.h"
#include "kernels/device.h"

namespace eplb {

struct ShuffleOptions {
  // Bound of the staging memory, the same on all ranks; 0 is one layer's local
  // experts. What does not fit goes in pieces.
  size_t staging_bytes = 0;
  // Layers share a unit while staging has room and its switch writes no more on
  // any rank; 0 for a unit of each layer.
  int64_t max_switch_bytes_per_unit = 0;
  // Compare a checksum of every row that was received, the same on all ranks.
  bool verify_checksums = false;
  // Whether the data channel moves device memory. Otherwise device weights go
  // through pinned host memory.
  bool data_serves_device = false;
  // Of each operation of a channel or the device.
  std::chrono::nanoseconds operation_timeout = std::chrono::seconds(60);
  // Tells models of one state apart in the headers that ranks compare.
  uint64_t model = 0;
};

// What the ranks of an epoch speak through. The members are the active ranks
// of the topology, in order. Both may be over one transport, or be the same;
// `control` serves host memory.
struct ShuffleChannels {
  std::shared_ptr<CheckedCommunicator> control;
  std::shared_ptr<Communicator> data;
};

// Makes a switched unit visible: the caller's route tables, on the stream that
// the switch runs on.
using PublishUnit = absl::FunctionRef<absl::Status(const ShuffleUnit&)>;

// What an epoch found when it opened.
struct EpochOutcome {
  // The unit that this rank had in doubt; null when it had none.
  std::shared_ptr<const ShuffleUnit> unit;
  // Then: it is committed, and to be switched at `commit_step` like any other;
  // or it was dropped, and the old placement stays.
  bool is_committed = false;
  int64_t commit_step = -1;
};

// Thread-safe in this way: one thread at a time moves (Plan, Stage, Vote,
// Commit, OpenEpoch, Profile, Drop, Adopt) and one, the same or another, calls
// Switch. The accessors may be called from any thread.
class WeightShuffler {
 public:
  // `weights` hold the experts of `installed`, or are to hold them before they
  // are first moved. Its slots are those of the group; so many per rank as the
  // weights have. Allocates the staging memory, ResourceExhausted when there is
  // not so much or it is not enough for one expert. `device` and `clock`
  // outlive the shuffler.
  static absl::StatusOr<std::unique_ptr<WeightShuffler>> Create(
      ExpertWeights weights, const Placement& installed, Device& device,
      Clock& clock, ShuffleOptions options);

  // The transactions from what is installed to `next`, for `rank` of
  // `topology`. Layers that do not change have none. ResourceExhausted, with
  // the bytes that are needed, when a layer cannot even go in pieces. Units
  // are to be run in this order; a plan is void when one of them was dropped.
  absl::StatusOr<ShuffleUnits> Plan(const Placement& next,
                                    const Topology& topology, int rank) const;

  // Phase 1: receives into staging. Live weights are read only. Every rank
  // calls Vote after it, also when it fails. Several units may be staged before
  // the first is voted on, as far as staging memory goes.
  absl::Status Stage(std::shared_ptr<const ShuffleUnit> unit,
                     const ShuffleChannels& channels);

  // Phase 2, round 1: OK when every rank has all rows. Otherwise the unit is
  // dropped: the error is this rank's own, or Aborted with the ranks that said
  // no and why, or that of the control channel.
  absl::Status Vote(const ShuffleUnit& unit, const ShuffleChannels& channels);

  // Phase 3, round 2, the only commit point: the step at which every rank
  // switches, the latest `fence` of all, and later than the steps at which the
  // unit's layers switched before. On an error the unit is in doubt: this rank
  // must not serve past its fence before OpenEpoch has settled it.
  absl::StatusOr<int64_t> Commit(const ShuffleUnit& unit, int64_t fence,
                                 const ShuffleChannels& channels);

  // Phase 4: writes the committed unit into the live slots, on `stream`, and
  // publishes it. Does not wait for the device. There is no way back: after an
  // error the rank's weights are unusable, and every later call says so.
  absl::Status Switch(const ShuffleUnit& unit, Stream& stream,
                      PublishUnit publish);

  // Waits until the device has written the unit's layers, after Switch and in
  // any thread: a unit of the same layers can be staged then, and the rows of
  // staging are free. The error is the device's, or DeadlineExceeded.
  absl::Status AwaitSwitched(const ShuffleUnit& unit);

  // Opens an epoch over new channels, after a failure: every rank of the group
  // calls it before anything else. Settles a unit in doubt and drops what was
  // staged but not agreed on. On an error the doubt goes on.
  absl::StatusOr<EpochOutcome> OpenEpoch(const ShuffleChannels& channels);

  // Does the largest exchange that a unit can ask for, and allocates all that
  // it needs, without changing anything.
  absl::Status Profile(const ShuffleChannels& channels);

  // Forgets a unit before Commit was called for it, or all such units (when
  // the engine has rewritten its weights). On all ranks alike.
  void Drop(const ShuffleUnit& unit);
  void DropAllStaged();

  // Forgets a unit that is committed but not switched, because the engine has
  // rewritten what it was staged from. On all ranks alike: the old placement
  // stays. Called in place of Switch.
  absl::Status Withdraw(const ShuffleUnit& unit);

  // Says what the weights hold from now on, after a resize has renumbered the
  // slots or the engine has loaded other weights. `generation` is the same on
  // all ranks, and not one that was used. No unit is under way.
  absl::Status Adopt(const Placement& installed, int64_t generation);

  // Rows of staging that a unit could take now; a unit takes at most its
  // max_staged_rows. Rows of switched units come back when the device is done.
  int free_staging_rows();
  int num_staging_rows() const { return num_rows_; }
  size_t staging_bytes() const { return num_rows_ * layout_.row_bytes(); }

  bool is_in_doubt() const;

  // The experts that the slots of the group hold after the last switch of the
  // layer, and how many switches and adoptions led there.
  std::vector<int32_t> installed_experts(int layer) const;
  int64_t generation(int layer) const;

  const ExpertWeights& weights() const { return weights_; }

 private:
  enum class Phase { kStaging, kStaged, kReady, kInDoubt, kCommitted };

  // One unit on its way.
  struct Attempt {
    std::shared_ptr<const ShuffleUnit> unit;
    int64_t number = 0;
    Phase phase = Phase::kStaging;
    absl::Status status;  // What this rank votes.
    std::vector<int> rows;
    std::unique_ptr<UnitRows> transfers;
    CheckContext context;
    int64_t commit_step = -1;
    // When an exchange failed: what may still write to its memory.
    std::weak_ptr<const void> user;
    std::vector<DeviceBuffer> buffers;
    bool is_quarantined = false;
  };

  // A switched unit, whose rows the device may still read.
  struct Switched {
    std::shared_ptr<const DeviceEvent> done;
    std::unique_ptr<Attempt> attempt;
  };

  WeightShuffler(ExpertWeights weights, const Placement& installed,
                 Device& device, Clock& clock, const ShuffleOptions& options,
                 StagingLayout layout, StagingArea area,
                 std::unique_ptr<Stream> stream);

  // A new attempt, whose status says whether it can go on.
  Attempt& Begin(std::shared_ptr<const ShuffleUnit> unit)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status TakeRows(Attempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckInstalled(const ShuffleUnit& unit) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CheckContext ContextOf(const Attempt& attempt, uint64_t planned_hash) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Prepare(Attempt& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Transfer(Attempt& attempt, const ShuffleChannels& channels);
  // The values of all ranks, when they are about the same unit.
  absl::StatusOr<std::vector<int64_t>> Agree(const CheckContext& unit_context,
                                             int64_t value,
                                             CheckedCommunicator& control);

  absl::StatusOr<std::vector<UnitRecord>> GatherRecords(
      const UnitRecord& mine, CheckedCommunicator& control);
  void SetPhase(Attempt& attempt, Phase phase) ABSL_LOCKS_EXCLUDED(mutex_);
  SteadyTime Deadline() const {
    return clock_.Now() + options_.operation_timeout;
  }
  absl::Status CheckUsable(const ShuffleChannels& channels)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // FailedPrecondition, naming the action, unless the unit is in the phase.
  absl::StatusOr<Attempt*> Find(const ShuffleUnit& unit, Phase phase,
                                absl::string_view action)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void DropMatching(const ShuffleUnit* unit) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const Attempt* attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReclaimRows() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status FinishSwitch(Attempt& attempt, Stream& stream)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const ExpertWeights weights_;
  const uint64_t layout_hash_;
  Device& device_;
  Clock& clock_;
  const ShuffleOptions options_;
  const StagingLayout layout_;

  // Of the thread that moves.
  const std::unique_ptr<Stream> stream_;
  RowExchange exchange_;

  const int num_rows_;

  mutable absl::Mutex mutex_;
  StagingArea area_ ABSL_GUARDED_BY(mutex_);
  InstalledLayers installed_ ABSL_GUARDED_BY(mutex_);
  CommitProtocol protocol_ ABSL_GUARDED_BY(mutex_);
  // An attempt is changed by the thread that moves until it is committed, and
  // by the one that switches after that.
  std::vector<std::unique_ptr<Attempt>> attempts_ ABSL_GUARDED_BY(mutex_);
  // Freed by the thread that moves, which has the time.
  std::vector<Switched> switched_ ABSL_GUARDED_BY(mutex_);
  absl::Status fatal_ ABSL_GUARDED_BY(mutex_);
};

struct ShuffleResult {
  absl::Status status;
  int units_switched = 0;  // These stay, whatever the status.
};

// Runs all `units` one after the other in this thread, and waits for the
// device after each. `forward_id` is the fence.
ShuffleResult ShuffleNow(WeightShuffler& shuffler, const ShuffleUnits& units,
                         int64_t forward_id, const ShuffleChannels& channels,
                         Stream& stream, PublishUnit publish);

}  // namespace eplb

#endif  // EPLB_SHUFFLE_WEIGHT_SHUFFLER_H_
