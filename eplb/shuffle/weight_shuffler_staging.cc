#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collectives/checked.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/commit_protocol.h"
#include "eplb/shuffle/header_scope.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/unit_rows.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "kernels/device.h"

namespace eplb {
namespace {

uint64_t PlannedHash(const ShuffleUnit& unit) {
  StableHash hash;
  for (const LayerChange& change : unit.layers) {
    hash.Add(static_cast<uint64_t>(change.layer)).Add(change.new_experts);
  }
  return hash.value();
}

}  // namespace

WeightShuffler::Attempt& WeightShuffler::Begin(
    std::shared_ptr<const ShuffleUnit> unit) {
  // A switch waits for the lock: only what needs it is done under it.
  const uint64_t planned_hash = PlannedHash(*unit);
  auto begun = std::make_unique<Attempt>();
  Attempt& attempt = *begun;
  attempt.unit = std::move(unit);
  std::vector<std::byte*> addresses;
  {
    absl::MutexLock lock(&mutex_);
    attempt.status = CheckInstalled(*attempt.unit);
    attempt.number = protocol_.Begin();
    attempt.context = ContextOf(attempt, planned_hash);
    if (attempt.status.ok()) attempt.status = TakeRows(attempt);
    for (const int row : attempt.rows) addresses.push_back(area_.row(row));
    attempts_.push_back(std::move(begun));
  }
  if (attempt.status.ok()) {
    attempt.transfers =
        std::make_unique<UnitRows>(*attempt.unit, weights_, layout_, addresses);
  }
  return attempt;
}

absl::Status WeightShuffler::CheckInstalled(const ShuffleUnit& unit) const {
  for (const LayerChange& change : unit.layers) {
    for (const std::unique_ptr<Attempt>& other : attempts_) {
      for (const LayerChange& pending : other->unit->layers) {
        if (pending.layer != change.layer) continue;
        return absl::FailedPreconditionError(absl::StrCat(
            "layer ", change.layer,
            ": another unit of the layer is to be switched or dropped first"));
      }
    }
    if (installed_.experts(change.layer) == change.old_experts) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("layer ", change.layer,
                     " does not hold what the unit was planned from; a unit "
                     "before it was dropped, or the plan is an old one"));
  }
  return absl::OkStatus();
}

absl::Status WeightShuffler::TakeRows(Attempt& attempt) {
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
  return absl::OkStatus();
}

CheckContext WeightShuffler::ContextOf(const Attempt& attempt,
                                       uint64_t planned_hash) const {
  StableHash installed;
  for (const LayerChange& change : attempt.unit->layers) {
    installed.Add(installed_.Hash(change.layer));
  }
  return {.state = static_cast<uint64_t>(attempt.number),
          .model = options_.model,
          .layer = attempt.unit->layers[0].layer,
          .installed_placement_hash = installed.value(),
          .planned_placement_hash = planned_hash,
          .weight_layout_hash = layout_hash_};
}

absl::StatusOr<std::vector<int64_t>> WeightShuffler::Agree(
    const CheckContext& unit_context, int64_t value,
    CheckedCommunicator& control) {
  const HeaderScope scope(control, unit_context);
  return control.Agree(value, Deadline());
}

absl::Status WeightShuffler::Stage(std::shared_ptr<const ShuffleUnit> unit,
                                   const ShuffleChannels& channels) {
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
absl::Status WeightShuffler::Prepare(Attempt& attempt) {
  EPLB_RETURN_IF_ERROR(AwaitSwitched(*attempt.unit));
  const UnitRows& transfers = *attempt.transfers;
  if (!transfers.saves().empty()) {
    EPLB_RETURN_IF_ERROR(device_.CopyBatch(transfers.saves(), *stream_));
  }
  return exchange_.Prepare(transfers.sends(), transfers.receives(), Deadline());
}

// Until the rows that the switches before wrote are there to be read.
absl::Status WeightShuffler::AwaitSwitched(const ShuffleUnit& unit) {
  for (const LayerChange& change : unit.layers) {
    const std::shared_ptr<const DeviceEvent> written = [&] {
      absl::MutexLock lock(&mutex_);
      return installed_.written(change.layer);
    }();
    if (written != nullptr) EPLB_RETURN_IF_ERROR(written->Wait(Deadline()));
  }
  return absl::OkStatus();
}

absl::Status WeightShuffler::Transfer(Attempt& attempt,
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
    return absl::Status(
        moved.code(),
        absl::StrCat(DescribeLayers(*attempt.unit), ": ", moved.message()));
  }
  if (!options_.verify_checksums) return absl::OkStatus();
  // A rank without its rows would not take part in comparing them.
  EPLB_ASSIGN_OR_RETURN(const std::vector<int64_t> received,
                        Agree(attempt.context, 0, *channels.control));
  EPLB_RETURN_IF_ERROR(CountVotes(received));
  const HeaderScope scope(*channels.control, attempt.context);
  return exchange_.CompareChecksums(
      transfers.sends(), transfers.receives(), *channels.control,
      [&](size_t receive) { return transfers.DescribeReceive(receive); },
      Deadline());
}

absl::Status WeightShuffler::Profile(const ShuffleChannels& channels) {
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

}  // namespace eplb
