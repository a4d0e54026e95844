// UnitAgreement: the worker's side of the commit of units, one at a time: the
// fence is raised before this rank says anything about a step, and stays up
// until the outcome is known, which may be in a later epoch.

#ifndef EPLB_STATE_BACKGROUND_UNIT_AGREEMENT_H_
#define EPLB_STATE_BACKGROUND_UNIT_AGREEMENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_parts.h"

namespace eplb {

// Used by the worker. The parts outlive it.
class UnitAgreement {
 public:
  explicit UnitAgreement(BackgroundParts& parts) : parts_(parts) {}

  // Round 2 for a unit of `model` that all ranks have voted for. On an error
  // the unit is dropped or in doubt.
  absl::Status Commit(int model, std::shared_ptr<const ShuffleUnit> unit,
                      int64_t weights_version, const ShuffleChannels& channels);

  // Opens an epoch for all models and settles what was in doubt.
  absl::Status OpenEpoch(const ShuffleChannels& channels);

  // A closing: the latest fence of all ranks becomes the end of the run.
  // `gather` tells this rank's fence and returns what all have said.
  struct Close {
    int64_t latest_fence = 0;
    int64_t last_begin = -1;
  };
  absl::Status Closing(absl::FunctionRef<
                       absl::StatusOr<Close>(int64_t fence, int64_t last_begin)>
                           gather);

  bool is_in_doubt() const { return doubt_.has_value(); }
  // Says that an attempt to end the doubt has failed.
  void KeepDoubt(const absl::Status& why);

  // Waits until there is room in staging for `unit`, and earlier units of its
  // layers are switched. DeadlineExceeded; Cancelled when the worker has
  // something better to do.
  absl::Status AwaitRoom(int model, const ShuffleUnit& unit);

 private:
  struct Pending {
    int64_t number = 0;
    int model = 0;
    uint64_t epoch = 0;  // In which it was voted on.
    std::shared_ptr<const ShuffleUnit> unit;
  };

  absl::StatusOr<int64_t> Raise();
  absl::Status Schedule(int64_t number, int64_t step);
  absl::Status AwaitSwitchOf(const Pending& pending, SteadyTime deadline);

  BackgroundParts& parts_;
  // Units that this rank has agreed to and may not have switched.
  std::vector<Pending> pending_;
  std::optional<Pending> doubt_;
  int64_t last_commit_step_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_UNIT_AGREEMENT_H_
