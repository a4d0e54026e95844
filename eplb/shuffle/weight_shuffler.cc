#include "eplb/shuffle/weight_shuffler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/staging_area.h"
#include "eplb/shuffle/unit_planner.h"
#include "eplb/shuffle/unit_rows.h"
#include "kernels/device.h"

namespace eplb {
namespace {

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

}  // namespace

WeightShuffler::WeightShuffler(ExpertWeights weights,
                               const Placement& installed, Device& device,
                               Clock& clock, const ShuffleOptions& options,
                               StagingLayout layout, StagingArea area,
                               std::unique_ptr<Stream> stream)
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
      num_rows_(area.num_rows()),
      area_(std::move(area)),
      installed_(installed) {}

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
  return absl::WrapUnique(new WeightShuffler(
      std::move(weights), installed, device, clock, options, std::move(layout),
      std::move(area), std::move(stream)));
}

absl::StatusOr<ShuffleUnits> WeightShuffler::Plan(const Placement& next,
                                                  const Topology& topology,
                                                  int rank) const {
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
                    .max_switch_bytes = options_.max_switch_bytes_per_unit,
                    .row_bytes = layout_.row_bytes()});
}

absl::Status WeightShuffler::Adopt(const Placement& installed,
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

void WeightShuffler::Drop(const ShuffleUnit& unit) { DropMatching(&unit); }
void WeightShuffler::DropAllStaged() { DropMatching(nullptr); }

absl::Status WeightShuffler::Withdraw(const ShuffleUnit& unit) {
  EPLB_ASSIGN_OR_RETURN(const Attempt* const attempt,
                        Find(unit, Phase::kCommitted, "withdrawn"));
  absl::MutexLock lock(&mutex_);
  Remove(attempt);
  return absl::OkStatus();
}

void WeightShuffler::DropMatching(const ShuffleUnit* unit) {
  absl::MutexLock lock(&mutex_);
  for (size_t i = attempts_.size(); i-- > 0;) {
    const Attempt& attempt = *attempts_[i];
    const bool is_agreed =
        attempt.phase == Phase::kInDoubt || attempt.phase == Phase::kCommitted;
    if (is_agreed || (unit != nullptr && attempt.unit.get() != unit)) continue;
    Remove(&attempt);
  }
}

// A rank with unusable weights tells the others, who would wait for it.
absl::Status WeightShuffler::CheckUsable(const ShuffleChannels& channels) {
  absl::MutexLock lock(&mutex_);
  if (!fatal_.ok()) channels.control->Abort(fatal_);
  return fatal_;
}

absl::StatusOr<WeightShuffler::Attempt*> WeightShuffler::Find(
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

void WeightShuffler::SetPhase(Attempt& attempt, Phase phase) {
  absl::MutexLock lock(&mutex_);
  attempt.phase = phase;
}

void WeightShuffler::Remove(const Attempt* attempt) {
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

void WeightShuffler::ReclaimRows() {
  for (size_t i = switched_.size(); i-- > 0;) {
    const absl::StatusOr<bool> is_done = switched_[i].done->IsComplete();
    if (!is_done.ok() || !*is_done) continue;
    area_.GiveBack(switched_[i].attempt->rows);
    switched_.erase(switched_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

int WeightShuffler::free_staging_rows() {
  absl::MutexLock lock(&mutex_);
  ReclaimRows();
  return area_.num_free();
}

bool WeightShuffler::is_in_doubt() const {
  absl::MutexLock lock(&mutex_);
  return protocol_.doubtful_unit().has_value();
}

std::vector<int32_t> WeightShuffler::installed_experts(int layer) const {
  absl::MutexLock lock(&mutex_);
  return installed_.experts(layer);
}

int64_t WeightShuffler::generation(int layer) const {
  absl::MutexLock lock(&mutex_);
  return installed_.generation(layer);
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
    result.status = shuffler.AwaitSwitched(*unit);
    if (!result.status.ok()) return result;
  }
  return result;
}

}  // namespace eplb
