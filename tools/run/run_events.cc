#include "tools/run/run_events.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"

namespace eplb {

void RunEvents::Record(const Event& event) {
  absl::MutexLock lock(&mutex_);
  if (const auto* done = std::get_if<RearrangementFinished>(&event)) {
    rearrangements_.push_back(*done);
  } else if (const auto* failed = std::get_if<RearrangementFailed>(&event)) {
    warnings_.push_back(
        absl::StrCat("step ", failed->step,
                     ": the rearrangement failed: ", failed->status.message()));
  }
}

RunEvents::Totals RunEvents::totals() const {
  absl::MutexLock lock(&mutex_);
  Totals totals;
  for (const RearrangementFinished& rearrangement : rearrangements_) {
    ++totals.rearrangements;
    totals.moved_slots += rearrangement.moved_slots;
    totals.moved_bytes += rearrangement.moved_bytes;
  }
  return totals;
}

std::vector<RearrangementFinished> RunEvents::rearrangements() const {
  absl::MutexLock lock(&mutex_);
  return rearrangements_;
}

std::vector<std::string> RunEvents::TakeWarnings() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(warnings_, {});
}

}  // namespace eplb
