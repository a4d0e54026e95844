// AgreedUnits: what the numbers stand for that pass through the CommitFence.

#ifndef EPLB_STATE_BACKGROUND_AGREED_UNITS_H_
#define EPLB_STATE_BACKGROUND_AGREED_UNITS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/shuffle/shuffle_unit.h"

namespace eplb {

// Something that all ranks do at one step.
struct AgreedUnit {
  // A unit of a model to switch, staged at a time from weights of a version;
  // null for the end of a run.
  std::shared_ptr<const ShuffleUnit> unit = nullptr;
  int model = 0;
  int64_t weights_version = 0;
  SteadyTime staged_at = {};
  // Of the end of a run: the closing that it is, and when a run last began on
  // any rank.
  int64_t closing = 0;
  int64_t last_begin = -1;
};

// Thread-safe.
class AgreedUnits {
 public:
  int64_t Add(AgreedUnit unit) {
    absl::MutexLock lock(&mutex_);
    units_.emplace(++last_number_, std::move(unit));
    return last_number_;
  }

  // The one that was added last; 0 for none.
  int64_t last_number() const {
    absl::MutexLock lock(&mutex_);
    return last_number_;
  }

  // `number` is there.
  AgreedUnit Find(int64_t number) const {
    absl::MutexLock lock(&mutex_);
    return units_.at(number);
  }

  void Remove(int64_t number) {
    absl::MutexLock lock(&mutex_);
    units_.erase(number);
  }

  // Layers of units that are to be switched.
  int num_layers() const {
    absl::MutexLock lock(&mutex_);
    int num_layers = 0;
    for (const auto& [number, unit] : units_) {
      if (unit.unit) num_layers += static_cast<int>(unit.unit->layers.size());
    }
    return num_layers;
  }

  // When the oldest of these was staged.
  std::optional<SteadyTime> oldest() const {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, unit] : units_) {
      if (unit.unit) return unit.staged_at;
    }
    return std::nullopt;
  }

 private:
  mutable absl::Mutex mutex_;
  int64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, AgreedUnit> units_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_AGREED_UNITS_H_
