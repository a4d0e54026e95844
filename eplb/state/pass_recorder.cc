#include "eplb/state/pass_recorder.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_recorder.h"
#include "eplb/load/load_window.h"
#include "eplb/state/pass_counters.h"
#include "kernels/device.h"

namespace eplb {

PassRecorder::PassRecorder(PassCounters counters, LoadRecorder recorder)
    : counters_(std::move(counters)), recorder_(std::move(recorder)) {}

absl::StatusOr<PassRecorder> PassRecorder::Create(Device& device,
                                                  PassCounters counters,
                                                  LoadRecorder recorder) {
  PassRecorder passes(std::move(counters), std::move(recorder));
  if (!passes.is_late()) return passes;
  for (LatePass& late : passes.late_) {
    EPLB_ASSIGN_OR_RETURN(late.counts,
                          device.Allocate(passes.counters_.num_bytes(),
                                          MemorySpace::kPinnedHost));
  }
  passes.latest_.resize(passes.counters_.num_bytes() / sizeof(int32_t));
  return passes;
}

void PassRecorder::SetLayer(int layer,
                            absl::Span<const int32_t> experts_of_slots) {
  if (num_entered_ == num_sent_) {
    recorder_.SetLayer(layer, experts_of_slots);
    return;
  }
  changes_.push_back(
      {num_sent_, layer, {experts_of_slots.begin(), experts_of_slots.end()}});
}

void PassRecorder::ApplyChanges() {
  while (!changes_.empty() && changes_.front().first_pass <= num_entered_) {
    recorder_.SetLayer(changes_.front().layer,
                       changes_.front().experts_of_slots);
    changes_.pop_front();
  }
}

absl::Status PassRecorder::Record(Stream& stream, SteadyTime deadline,
                                  LoadWindow& window) {
  if (!is_late()) return recorder_.Record(counters_.counts(), window);
  absl::Status status = Enter(kMaxLate - 1, deadline, window);
  if (num_sent_ - num_entered_ < kMaxLate) status.Update(Send(stream));
  return status;
}

absl::Status PassRecorder::Send(Stream& stream) {
  LatePass& pass = late(num_sent_);
  EPLB_RETURN_IF_ERROR(counters_.CopyTo(pass.counts, stream));
  EPLB_ASSIGN_OR_RETURN(pass.copied, stream.Record());
  ++num_sent_;
  has_dropped_ = false;
  return counters_.Zero(stream);
}

absl::Status PassRecorder::Drop(Stream& stream) {
  has_dropped_ = true;
  return counters_.Zero(stream);
}

absl::Status PassRecorder::Enter(int may_stay, SteadyTime deadline,
                                 LoadWindow& window) {
  absl::Status status;
  while (num_entered_ < num_sent_) {
    LatePass& pass = late(num_entered_);
    if (num_sent_ - num_entered_ <= may_stay) {
      const absl::StatusOr<bool> is_here = pass.copied->IsComplete();
      if (is_here.ok() && !*is_here) break;
    }
    const absl::Status copied = pass.copied->Wait(deadline);
    status.Update(copied);
    // The copy may still write to its memory.
    if (absl::IsDeadlineExceeded(copied)) break;
    if (copied.ok()) {
      auto* const counts = reinterpret_cast<int32_t*>(pass.counts.data());
      std::copy_n(counts, latest_.size(), latest_.begin());
      status.Update(recorder_.Record({counts, counters_.width()}, window));
    }
    ++num_entered_;
    ApplyChanges();
  }
  return status;
}

absl::Status PassRecorder::Finish(SteadyTime deadline, LoadWindow& window) {
  return Enter(/*may_stay=*/0, deadline, window);
}

absl::StatusOr<PassCounts> PassRecorder::Read(SteadyTime deadline,
                                              LoadWindow& window) {
  if (!is_late()) return counters_.counts();
  EPLB_RETURN_IF_ERROR(Finish(deadline, window));
  if (has_dropped_) std::fill(latest_.begin(), latest_.end(), 0);
  return PassCounts{latest_.data(), counters_.width()};
}

}  // namespace eplb
