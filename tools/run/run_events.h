// RunEvents: adds up what the balancer reports, for the end of a run and for
// its progress.

#ifndef EPLB_TOOLS_RUN_RUN_EVENTS_H_
#define EPLB_TOOLS_RUN_RUN_EVENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"

namespace eplb {

// Thread-safe: a background worker reports too.
class RunEvents final : public EventSink {
 public:
  struct Totals {
    int64_t rearrangements = 0;
    int64_t moved_slots = 0;
    int64_t moved_bytes = 0;
  };

  void Record(const Event& event) override;

  Totals totals() const;
  // In their order.
  std::vector<RearrangementFinished> rearrangements() const;
  // What went wrong and was survived, in sentences; each is returned once.
  std::vector<std::string> TakeWarnings();

 private:
  mutable absl::Mutex mutex_;
  std::vector<RearrangementFinished> rearrangements_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_EVENTS_H_
