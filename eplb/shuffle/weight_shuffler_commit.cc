#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/commit_protocol.h"
#include "eplb/shuffle/header_scope.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "kernels/device.h"

namespace eplb {

absl::Status WeightShuffler::Vote(const ShuffleUnit& unit,
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

absl::StatusOr<int64_t> WeightShuffler::Commit(
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

absl::StatusOr<std::vector<UnitRecord>> WeightShuffler::GatherRecords(
    const UnitRecord& mine, CheckedCommunicator& control) {
  CheckContext context;
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
      const absl::Status damaged = absl::DataLossError(
          absl::StrCat("from rank ", rank, ": ", record.status().message()));
      control.Abort(damaged);
      return damaged;
    }
    records.push_back(*record);
  }
  return records;
}

absl::StatusOr<EpochOutcome> WeightShuffler::OpenEpoch(
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

absl::Status WeightShuffler::Switch(const ShuffleUnit& unit, Stream& stream,
                                    PublishUnit publish) {
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

absl::Status WeightShuffler::FinishSwitch(Attempt& attempt, Stream& stream) {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<const DeviceEvent> done,
                        stream.Record());
  absl::MutexLock lock(&mutex_);
  for (const LayerChange& change : attempt.unit->layers) {
    installed_.Switch(change.layer, change.new_experts, attempt.commit_step,
                      done);
  }
  const auto place = std::find_if(
      attempts_.begin(), attempts_.end(),
      [&](const auto& candidate) { return candidate.get() == &attempt; });
  switched_.push_back({done, std::move(*place)});
  attempts_.erase(place);
  return absl::OkStatus();
}

}  // namespace eplb
