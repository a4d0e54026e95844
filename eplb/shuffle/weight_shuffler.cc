#include "eplb/shuffle/weight_shuffler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/commit_protocol.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/installed_layers.h"
#include "eplb/shuffle/row_exchange.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/staging_area.h"
#include "eplb/shuffle/unit_planner.h"
#include "eplb/shuffle/unit_rows.h"
#include "kernels/device.h"

namespace eplb {
namespace {

// Sets what the ranks compare while they are about a unit, and puts back what
// the owner of the channel had there.
class HeaderScope {
 public:
  HeaderScope(CheckedCommunicator& control, const CheckContext& context)
      : control_(control), before_(control.context()) {
    control_.context() = context;
  }
  ~HeaderScope() { control_.context() = before_; }

 private:
  CheckedCommunicator& control_;
  const CheckContext before_;
};

std::string DescribeLayers(const ShuffleUnit& unit) {
  std::string layers = unit.layers.size() == 1 ? "layer " : "layers ";
  for (const LayerChange& change : unit.layers) {
    absl::StrAppend(&layers, &change == &unit.layers[0] ? "" : ", ",
                    change.layer);
  }
  return layers;
}

uint64_t PlannedHash(const ShuffleUnit& unit) {
  StableHash hash;
  for (const LayerChange& change : unit.layers) {
    hash.Add(static_cast<uint64_t>(change.layer)).Add(change.new_experts);
  }
  return hash.value();
}

absl::Status CheckInstalledSizes(const ExpertWeights& weights,
                                 const Placement& installed) {
  if (installed.num_layers() == weights.num_layers() &&
      installed.num_slots() % weights.num_local_slots() == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the installed placement has ", installed.num_layers(), " layers of ",
      installed.num_slots(), " slots, the weights ", weights.num_layers(),
      " of ", weights.num_local_slots(), " on each rank"));
}

// How many rows the options give room for.
absl::StatusOr<int> NumStagingRows(const ExpertWeights& weights,
                                   const StagingLayout& layout,
                                   const ShuffleOptions& options) {
  if (options.staging_bytes == 0) return weights.num_local_slots();
  const size_t rows = options.staging_bytes / layout.row_bytes();
  if (rows < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("staging_bytes is ", options.staging_bytes,
                     "; one expert needs ", layout.row_bytes()));
  }
  return static_cast<int>(
      std::min<size_t>(rows, static_cast<size_t>(weights.num_local_slots()) *
                                 static_cast<size_t>(weights.num_layers())));
}

absl::Status Annotate(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

}  // namespace

class WeightShuffler::Core {
 public:
  Core(ExpertWeights weights, InstalledLayers installed, Device& device,
       Clock& clock, const ShuffleOptions& options, StagingLayout layout,
       StagingArea area, std::unique_ptr<Stream> stream)
      : weights_(std::move(weights)),
        layout_hash_(weights_.LayoutHash()),
        device_(device),
        clock_(clock),
        options_(options),
        layout_(std::move(layout)),
        stream_(std::move(stream)),
        exchange_(device, *stream_,
                  weights_.space() == MemorySpace::kDevice &&
                      !options.data_serves_device),
        area_(std::move(area)),
        installed_(std::move(installed)) {}

  absl::StatusOr<ShuffleUnits> Plan(const Placement& next,
                                    const Topology& topology, int rank) const;
  absl::Status Stage(std::shared_ptr<const ShuffleUnit> unit,
                     const ShuffleChannels& channels);
  absl::Status Vote(const ShuffleUnit& unit, const ShuffleChannels& channels);
  absl::StatusOr<int64_t> Commit(const ShuffleUnit& unit, int64_t fence,
                                 const ShuffleChannels& channels);
  absl::Status Switch(const ShuffleUnit& unit, Stream& stream,
                      PublishUnit publish);
  absl::StatusOr<EpochOutcome> OpenEpoch(const ShuffleChannels& channels);
  absl::Status Profile(const ShuffleChannels& channels);
  void Drop(const ShuffleUnit* unit);
  absl::Status Withdraw(const ShuffleUnit& unit);
  absl::Status Adopt(const Placement& installed, int64_t generation);

  int free_rows() {
    absl::MutexLock lock(&mutex_);
    ReclaimRows();
    return area_.num_free();
  }
  int num_rows() const { return num_rows_; }
  size_t staging_bytes() const { return num_rows_ * layout_.row_bytes(); }
  bool is_in_doubt() {
    absl::MutexLock lock(&mutex_);
    return protocol_.doubtful_unit().has_value();
  }
  std::vector<int32_t> installed_experts(int layer) const {
    absl::MutexLock lock(&mutex_);
    return installed_.experts(layer);
  }
  int64_t generation(int layer) const {
    absl::MutexLock lock(&mutex_);
    return installed_.generation(layer);
  }
  const ExpertWeights& weights() const { return weights_; }
  SteadyTime Deadline() const {
    return clock_.Now() + options_.operation_timeout;
  }

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

  // Rows of a switched unit that the device may still read.
  struct ReadRows {
    std::unique_ptr<DeviceEvent> done;
    std::vector<int> rows;
  };

  Attempt& Begin(std::shared_ptr<const ShuffleUnit> unit)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status TakeRows(Attempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckInstalled(const ShuffleUnit& unit) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CheckContext ContextOf(const Attempt& attempt) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Prepare(Attempt& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status AwaitSwitches(const ShuffleUnit& unit)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Transfer(Attempt& attempt, const ShuffleChannels& channels);
  absl::StatusOr<std::vector<int64_t>> Agree(const CheckContext& unit_context,
                                             int64_t value,
                                             CheckedCommunicator& control);

  absl::StatusOr<std::vector<UnitRecord>> GatherRecords(
      const UnitRecord& mine, CheckedCommunicator& control);
  void SetPhase(Attempt& attempt, Phase phase) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    attempt.phase = phase;
  }
  absl::Status CheckUsable(const ShuffleChannels& channels)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Attempt*> Find(const ShuffleUnit& unit, Phase phase,
                                absl::string_view action)
      ABSL_LOCKS_EXCLUDED(mutex_);
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

  mutable absl::Mutex mutex_;
  StagingArea area_ ABSL_GUARDED_BY(mutex_);
  const int num_rows_ = area_.num_rows();
  InstalledLayers installed_ ABSL_GUARDED_BY(mutex_);
  CommitProtocol protocol_ ABSL_GUARDED_BY(mutex_);
  // An attempt is changed by the thread that moves until it is committed, and
  // by the one that switches after that.
  std::vector<std::unique_ptr<Attempt>> attempts_ ABSL_GUARDED_BY(mutex_);
  std::vector<ReadRows> read_rows_ ABSL_GUARDED_BY(mutex_);
  absl::Status fatal_ ABSL_GUARDED_BY(mutex_);
};

// ---- Planning and staging.

absl::StatusOr<ShuffleUnits> WeightShuffler::Core::Plan(
    const Placement& next, const Topology& topology, int rank) const {
  if (next.num_slots() % topology.num_ranks() != 0 ||
      next.num_slots() / topology.num_ranks() != weights_.num_local_slots()) {
    return absl::InvalidArgumentError(
        absl::StrCat(next.num_slots(), " slots on ", topology.num_ranks(),
                     " ranks; each rank has ", weights_.num_local_slots()));
  }
  absl::StatusOr<Placement> now = [&] {
    absl::MutexLock lock(&mutex_);
    return installed_.ToPlacement();
  }();
  EPLB_RETURN_IF_ERROR(now.status());
  std::vector<size_t> bytes_per_expert;
  for (int layer = 0; layer < weights_.num_layers(); ++layer) {
    bytes_per_expert.push_back(weights_.bytes_per_expert(layer));
  }
  return PlanUnits(*now, next, topology, rank, bytes_per_expert,
                   {.max_rows = num_rows_,
                    .max_layers = options_.max_layers_per_unit,
                    .row_bytes = layout_.row_bytes()});
}

// A rank with unusable weights tells the others, who would wait for it.
absl::Status WeightShuffler::Core::CheckUsable(
    const ShuffleChannels& channels) {
  absl::MutexLock lock(&mutex_);
  if (!fatal_.ok()) channels.control->Abort(fatal_);
  return fatal_;
}

WeightShuffler::Core::Attempt& WeightShuffler::Core::Begin(
    std::shared_ptr<const ShuffleUnit> unit) {
  absl::MutexLock lock(&mutex_);
  attempts_.push_back(std::make_unique<Attempt>());
  Attempt& attempt = *attempts_.back();
  attempt.unit = std::move(unit);
  attempt.number = protocol_.Begin();
  attempt.context = ContextOf(attempt);
  attempt.status = CheckInstalled(*attempt.unit);
  if (attempt.status.ok()) attempt.status = TakeRows(attempt);
  return attempt;
}

absl::Status WeightShuffler::Core::CheckInstalled(
    const ShuffleUnit& unit) const {
  for (const LayerChange& change : unit.layers) {
    if (installed_.experts(change.layer) == change.old_experts) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("layer ", change.layer,
                     " does not hold what the unit was planned from; a unit of "
                     "the layer has not been switched, or was dropped"));
  }
  return absl::OkStatus();
}

absl::Status WeightShuffler::Core::TakeRows(Attempt& attempt) {
  ReclaimRows();
  std::optional<std::vector<int>> rows =
      area_.Take(attempt.unit->max_staged_rows);
  if (!rows) {
    return absl::ResourceExhaustedError(absl::StrCat(
        DescribeLayers(*attempt.unit), ": ", attempt.unit->max_staged_rows,
        " rows of staging are needed, ", area_.num_free(), " of ", num_rows_,
        " are free"));
  }
  attempt.rows = *std::move(rows);
  std::vector<std::byte*> addresses;
  for (const int row : attempt.rows) addresses.push_back(area_.row(row));
  attempt.transfers =
      std::make_unique<UnitRows>(*attempt.unit, weights_, layout_, addresses);
  return absl::OkStatus();
}

CheckContext WeightShuffler::Core::ContextOf(const Attempt& attempt) const {
  StableHash installed;
  for (const LayerChange& change : attempt.unit->layers) {
    installed.Add(installed_.Hash(change.layer));
  }
  return {.state = static_cast<uint64_t>(attempt.number),
          .model = options_.model,
          .layer = attempt.unit->layers[0].layer,
          .installed_placement_hash = installed.value(),
          .planned_placement_hash = PlannedHash(*attempt.unit),
          .weight_layout_hash = layout_hash_};
}

// The ranks must also be in one epoch, and at one forward pass as far as the
// owner of the channel says.
absl::StatusOr<std::vector<int64_t>> WeightShuffler::Core::Agree(
    const CheckContext& unit_context, int64_t value,
    CheckedCommunicator& control) {
  CheckContext context = unit_context;
  context.epoch = control.context().epoch;
  context.forward_id = control.context().forward_id;
  const HeaderScope scope(control, context);
  return control.Agree(value, Deadline());
}

absl::Status WeightShuffler::Core::Stage(
    std::shared_ptr<const ShuffleUnit> unit, const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(CheckUsable(channels));
  Attempt* const attempt = &Begin(std::move(unit));
  if (attempt->status.ok()) attempt->status = Prepare(*attempt);
  // A rank that cannot begin says so before anybody waits for its rows.
  const absl::StatusOr<std::vector<int64_t>> begins =
      Agree(attempt->context, attempt->status.raw_code(), *channels.control);
  absl::Status all_begin = begins.ok() ? CountVotes(*begins) : begins.status();
  if (attempt->status.ok()) attempt->status = std::move(all_begin);
  if (attempt->status.ok()) attempt->status = Transfer(*attempt, channels);
  SetPhase(*attempt, Phase::kStaged);
  return attempt->status;
}

// All that can fail on this rank alone. Live weights are read only.
absl::Status WeightShuffler::Core::Prepare(Attempt& attempt) {
  EPLB_RETURN_IF_ERROR(AwaitSwitches(*attempt.unit));
  const UnitRows& transfers = *attempt.transfers;
  if (!transfers.saves().empty()) {
    EPLB_RETURN_IF_ERROR(device_.CopyBatch(transfers.saves(), *stream_));
  }
  return exchange_.Prepare(transfers.sends(), transfers.receives(), Deadline());
}

// Until the rows that the switches before wrote are there to be read.
absl::Status WeightShuffler::Core::AwaitSwitches(const ShuffleUnit& unit) {
  for (const LayerChange& change : unit.layers) {
    const std::shared_ptr<const DeviceEvent> written = [&] {
      absl::MutexLock lock(&mutex_);
      return installed_.written(change.layer);
    }();
    if (written != nullptr) EPLB_RETURN_IF_ERROR(written->Wait(Deadline()));
  }
  return absl::OkStatus();
}

absl::Status WeightShuffler::Core::Transfer(Attempt& attempt,
                                            const ShuffleChannels& channels) {
  const UnitRows& transfers = *attempt.transfers;
  const absl::Status moved = exchange_.Run(*channels.data, Deadline());
  if (!moved.ok()) {
    if (options_.verify_checksums) {
      Agree(attempt.context, moved.raw_code(), *channels.control)
          .status()
          .IgnoreError();  // The vote comes to the same.
    }
    attempt.is_quarantined = true;
    attempt.user = channels.data;
    attempt.buffers.push_back(exchange_.TakeHostMemory());
    return Annotate(DescribeLayers(*attempt.unit), moved);
  }
  if (!options_.verify_checksums) return absl::OkStatus();
  // A rank without its rows would not take part in comparing them.
  EPLB_ASSIGN_OR_RETURN(const std::vector<int64_t> received,
                        Agree(attempt.context, 0, *channels.control));
  EPLB_RETURN_IF_ERROR(CountVotes(received));
  return exchange_.CompareChecksums(
      transfers.sends(), transfers.receives(), *channels.control,
      [&](size_t receive) { return transfers.DescribeReceive(receive); },
      Deadline());
}

// ---- The two rounds.

absl::Status WeightShuffler::Core::Vote(const ShuffleUnit& unit,
                                        const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(CheckUsable(channels));
  EPLB_ASSIGN_OR_RETURN(Attempt* const attempt,
                        Find(unit, Phase::kStaged, "voted on"));
  const absl::StatusOr<std::vector<int64_t>> votes =
      Agree(attempt->context, attempt->status.raw_code(), *channels.control);
  absl::Status status = attempt->status;
  if (status.ok()) status = votes.ok() ? CountVotes(*votes) : votes.status();
  if (status.ok()) {
    SetPhase(*attempt, Phase::kReady);
    return status;
  }
  absl::MutexLock lock(&mutex_);
  Remove(attempt);
  return status;
}

absl::StatusOr<int64_t> WeightShuffler::Core::Commit(
    const ShuffleUnit& unit, int64_t fence, const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(CheckUsable(channels));
  EPLB_ASSIGN_OR_RETURN(Attempt* const attempt,
                        Find(unit, Phase::kReady, "committed"));
  {
    absl::MutexLock lock(&mutex_);
    EPLB_RETURN_IF_ERROR(protocol_.BeginRound2(
        attempt->number, attempt->context.planned_placement_hash));
    attempt->phase = Phase::kInDoubt;
    for (const LayerChange& change : unit.layers) {
      fence = std::max(fence, installed_.commit_step(change.layer) + 1);
    }
  }
  const absl::StatusOr<std::vector<int64_t>> fences =
      Agree(attempt->context, fence, *channels.control);
  if (!fences.ok()) {
    return absl::UnavailableError(absl::StrCat(
        DescribeLayers(unit),
        ": in doubt whether all ranks agreed, until the next epoch opens: ",
        fences.status().ToString()));
  }
  absl::MutexLock lock(&mutex_);
  attempt->commit_step = protocol_.Commit(*fences);
  attempt->phase = Phase::kCommitted;
  return attempt->commit_step;
}

absl::StatusOr<std::vector<UnitRecord>> WeightShuffler::Core::GatherRecords(
    const UnitRecord& mine, CheckedCommunicator& control) {
  CheckContext context;
  context.epoch = control.context().epoch;
  context.model = options_.model;
  context.weight_layout_hash = layout_hash_;
  const HeaderScope scope(control, context);
  const std::vector<int64_t> words = mine.Serialize();
  std::vector<int64_t> all(words.size() * control.size());
  EPLB_RETURN_IF_ERROR(control.AllGather(
      {words.data(), words.size() * sizeof(int64_t)},
      {all.data(), all.size() * sizeof(int64_t)}, Deadline()));
  std::vector<UnitRecord> records;
  for (int rank = 0; rank < control.size(); ++rank) {
    absl::StatusOr<UnitRecord> record = UnitRecord::Parse(
        absl::MakeConstSpan(all).subspan(rank * words.size(), words.size()));
    if (!record.ok()) {
      const absl::Status damaged =
          Annotate(absl::StrCat("from rank ", rank), record.status());
      control.Abort(damaged);
      return damaged;
    }
    records.push_back(*record);
  }
  return records;
}

absl::StatusOr<EpochOutcome> WeightShuffler::Core::OpenEpoch(
    const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(CheckUsable(channels));
  UnitRecord mine;
  {
    absl::MutexLock lock(&mutex_);
    mine = protocol_.record();
  }
  EPLB_ASSIGN_OR_RETURN(const std::vector<UnitRecord> records,
                        GatherRecords(mine, *channels.control));
  EPLB_ASSIGN_OR_RETURN(const DoubtOutcome doubt, ResolveDoubt(records));
  absl::MutexLock lock(&mutex_);
  protocol_.Resolve(doubt);
  EpochOutcome outcome;
  for (size_t i = attempts_.size(); i-- > 0;) {
    Attempt& attempt = *attempts_[i];
    if (attempt.phase == Phase::kCommitted) continue;
    if (attempt.phase == Phase::kInDoubt) {
      outcome.unit = attempt.unit;
      outcome.is_committed = doubt.is_committed();
    }
    if (attempt.phase != Phase::kInDoubt || !doubt.is_committed()) {
      Remove(&attempt);
      continue;
    }
    attempt.phase = Phase::kCommitted;
    attempt.commit_step = outcome.commit_step = doubt.commit_step;
  }
  return outcome;
}

// ---- Switching.

absl::Status WeightShuffler::Core::Switch(const ShuffleUnit& unit,
                                          Stream& stream, PublishUnit publish) {
  EPLB_ASSIGN_OR_RETURN(Attempt* const attempt,
                        Find(unit, Phase::kCommitted, "switched"));
  const std::vector<CopyRow>& rows = attempt->transfers->switches();
  absl::Status status =
      rows.empty() ? absl::OkStatus() : device_.CopyBatch(rows, stream);
  if (status.ok()) status = publish(unit);
  if (status.ok()) status = FinishSwitch(*attempt, stream);
  if (status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  fatal_ = absl::InternalError(
      absl::StrCat(DescribeLayers(unit),
                   ": committed but not switched; the weights of this "
                   "rank are unusable: ",
                   status.ToString()));
  return fatal_;
}

absl::Status WeightShuffler::Core::FinishSwitch(Attempt& attempt,
                                                Stream& stream) {
  absl::MutexLock lock(&mutex_);
  for (const LayerChange& change : attempt.unit->layers) {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<DeviceEvent> written,
                          stream.Record());
    installed_.Switch(change.layer, change.new_experts, attempt.commit_step,
                      std::move(written));
  }
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<DeviceEvent> done, stream.Record());
  read_rows_.push_back({std::move(done), std::move(attempt.rows)});
  Remove(&attempt);
  return absl::OkStatus();
}

// ---- The rest.

absl::Status WeightShuffler::Core::Profile(const ShuffleChannels& channels) {
  EPLB_RETURN_IF_ERROR(CheckUsable(channels));
  int layer = 0;
  for (int i = 1; i < weights_.num_layers(); ++i) {
    if (weights_.bytes_per_expert(i) > weights_.bytes_per_expert(layer)) {
      layer = i;
    }
  }
  // Every rank sends its neighbour as many experts as staging has rows.
  const std::vector<int32_t> unchanged = installed_experts(layer);
  ShuffleUnit unit;
  LayerChange& change = unit.layers.emplace_back();
  change.layer = layer;
  change.old_experts = change.new_experts = unchanged;
  const int size = channels.control->size();
  const int rank = channels.control->rank();
  for (int row = 0; row < num_rows_; ++row) {
    const int slot = row % weights_.num_local_slots();
    change.sends.push_back({-1, (rank + 1) % size, slot});
    change.receives.push_back({-1, (rank + size - 1) % size, slot});
  }
  unit.max_staged_rows = num_rows_;
  Attempt& attempt = Begin(std::make_shared<const ShuffleUnit>(unit));
  if (attempt.status.ok()) attempt.status = Prepare(attempt);
  const absl::StatusOr<std::vector<int64_t>> begins =
      Agree(attempt.context, attempt.status.raw_code(), *channels.control);
  absl::Status status = attempt.status;
  if (status.ok()) status = begins.ok() ? CountVotes(*begins) : begins.status();
  if (status.ok()) status = Transfer(attempt, channels);
  absl::MutexLock lock(&mutex_);
  Remove(&attempt);
  return status;
}

void WeightShuffler::Core::Drop(const ShuffleUnit* unit) {
  absl::MutexLock lock(&mutex_);
  for (size_t i = attempts_.size(); i-- > 0;) {
    const Attempt& attempt = *attempts_[i];
    const bool is_agreed =
        attempt.phase == Phase::kInDoubt || attempt.phase == Phase::kCommitted;
    if (is_agreed || (unit != nullptr && attempt.unit.get() != unit)) continue;
    Remove(&attempt);
  }
}

absl::Status WeightShuffler::Core::Withdraw(const ShuffleUnit& unit) {
  EPLB_ASSIGN_OR_RETURN(const Attempt* const attempt,
                        Find(unit, Phase::kCommitted, "withdrawn"));
  absl::MutexLock lock(&mutex_);
  Remove(attempt);
  return absl::OkStatus();
}

absl::Status WeightShuffler::Core::Adopt(const Placement& installed,
                                         int64_t generation) {
  absl::MutexLock lock(&mutex_);
  EPLB_RETURN_IF_ERROR(fatal_);
  if (!attempts_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(DescribeLayers(*attempts_[0]->unit),
                     ": a unit is under way; it must be switched or dropped "
                     "before other weights are adopted"));
  }
  EPLB_RETURN_IF_ERROR(CheckInstalledSizes(weights_, installed));
  installed_.Adopt(installed, generation);
  return absl::OkStatus();
}

absl::StatusOr<WeightShuffler::Core::Attempt*> WeightShuffler::Core::Find(
    const ShuffleUnit& unit, Phase phase, absl::string_view action) {
  absl::MutexLock lock(&mutex_);
  EPLB_RETURN_IF_ERROR(fatal_);
  for (const std::unique_ptr<Attempt>& attempt : attempts_) {
    if (attempt->unit.get() == &unit && attempt->phase == phase) {
      return attempt.get();
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat(DescribeLayers(unit), ": the unit cannot be ", action,
                   " now; it was dropped, or another phase comes first"));
}

void WeightShuffler::Core::Remove(const Attempt* attempt) {
  const auto place = std::find_if(
      attempts_.begin(), attempts_.end(),
      [&](const auto& candidate) { return candidate.get() == attempt; });
  Attempt& removed = **place;
  if (removed.is_quarantined) {
    area_.Quarantine(std::move(removed.rows), std::move(removed.buffers),
                     std::move(removed.user));
  } else {
    area_.GiveBack(removed.rows);
  }
  attempts_.erase(place);
}

void WeightShuffler::Core::ReclaimRows() {
  for (size_t i = read_rows_.size(); i-- > 0;) {
    const absl::StatusOr<bool> is_done = read_rows_[i].done->IsComplete();
    if (!is_done.ok() || !*is_done) continue;
    area_.GiveBack(read_rows_[i].rows);
    read_rows_.erase(read_rows_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// ---- The public face.

absl::StatusOr<std::unique_ptr<WeightShuffler>> WeightShuffler::Create(
    ExpertWeights weights, const Placement& installed, Device& device,
    Clock& clock, ShuffleOptions options) {
  EPLB_RETURN_IF_ERROR(CheckInstalledSizes(weights, installed));
  StagingLayout layout(weights);
  EPLB_ASSIGN_OR_RETURN(const int num_rows,
                        NumStagingRows(weights, layout, options));
  EPLB_ASSIGN_OR_RETURN(
      StagingArea area,
      StagingArea::Create(device, layout.row_bytes(), num_rows));
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream, device.CreateStream());
  return absl::WrapUnique(new WeightShuffler(std::make_unique<Core>(
      std::move(weights), InstalledLayers(installed), device, clock, options,
      std::move(layout), std::move(area), std::move(stream))));
}

WeightShuffler::WeightShuffler(std::unique_ptr<Core> core)
    : core_(std::move(core)) {}
WeightShuffler::~WeightShuffler() = default;

absl::StatusOr<ShuffleUnits> WeightShuffler::Plan(const Placement& next,
                                                  const Topology& topology,
                                                  int rank) const {
  return core_->Plan(next, topology, rank);
}
absl::Status WeightShuffler::Stage(std::shared_ptr<const ShuffleUnit> unit,
                                   const ShuffleChannels& channels) {
  return core_->Stage(std::move(unit), channels);
}
absl::Status WeightShuffler::Vote(const ShuffleUnit& unit,
                                  const ShuffleChannels& channels) {
  return core_->Vote(unit, channels);
}
absl::StatusOr<int64_t> WeightShuffler::Commit(
    const ShuffleUnit& unit, int64_t fence, const ShuffleChannels& channels) {
  return core_->Commit(unit, fence, channels);
}
absl::Status WeightShuffler::Switch(const ShuffleUnit& unit, Stream& stream,
                                    PublishUnit publish) {
  return core_->Switch(unit, stream, publish);
}
absl::StatusOr<EpochOutcome> WeightShuffler::OpenEpoch(
    const ShuffleChannels& channels) {
  return core_->OpenEpoch(channels);
}
absl::Status WeightShuffler::Profile(const ShuffleChannels& channels) {
  return core_->Profile(channels);
}
void WeightShuffler::Drop(const ShuffleUnit& unit) { core_->Drop(&unit); }
void WeightShuffler::DropAllStaged() { core_->Drop(nullptr); }
absl::Status WeightShuffler::Withdraw(const ShuffleUnit& unit) {
  return core_->Withdraw(unit);
}
absl::Status WeightShuffler::Adopt(const Placement& installed,
                                   int64_t generation) {
  return core_->Adopt(installed, generation);
}
int WeightShuffler::free_staging_rows() const { return core_->free_rows(); }
int WeightShuffler::num_staging_rows() const { return core_->num_rows(); }
size_t WeightShuffler::staging_bytes() const { return core_->staging_bytes(); }
bool WeightShuffler::is_in_doubt() const { return core_->is_in_doubt(); }
std::vector<int32_t> WeightShuffler::installed_experts(int layer) const {
  return core_->installed_experts(layer);
}
int64_t WeightShuffler::generation(int layer) const {
  return core_->generation(layer);
}
const ExpertWeights& WeightShuffler::weights() const {
  return core_->weights();
}

ShuffleResult ShuffleNow(WeightShuffler& shuffler, const ShuffleUnits& units,
                         int64_t forward_id, const ShuffleChannels& channels,
                         Stream& stream, PublishUnit publish) {
  ShuffleResult result;
  for (const std::shared_ptr<const ShuffleUnit>& unit : units) {
    shuffler.Stage(unit, channels).IgnoreError();  // The vote tells it.
    result.status = shuffler.Vote(*unit, channels);
    if (result.status.ok()) {
      result.status = shuffler.Commit(*unit, forward_id, channels).status();
    }
    if (result.status.ok()) {
      result.status = shuffler.Switch(*unit, stream, publish);
    }
    if (!result.status.ok()) return result;
    ++result.units_switched;
  }
  return result;
}

}  // namespace eplb
