// RecordingEventSink: keeps the events for a test to look at.
//
//   RecordingEventSink sink;
//   ...
//   EXPECT_EQ(sink.EventsOf<RearrangementFinished>().size(), 2);

#ifndef EPLB_TESTING_RECORDING_EVENT_SINK_H_
#define EPLB_TESTING_RECORDING_EVENT_SINK_H_

#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"

namespace eplb {

// Thread-safe.
class RecordingEventSink final : public EventSink {
 public:
  void Record(const Event& event) override {
    absl::MutexLock lock(&mutex_);
    events_.push_back(event);
  }

  // Copies of all events so far, in the order they came.
  std::vector<Event> Events() const {
    absl::MutexLock lock(&mutex_);
    return events_;
  }

  // Copies of those of one kind, in the order they came.
  template <typename Kind>
  std::vector<Kind> EventsOf() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Kind> events;
    for (const Event& event : events_) {
      if (const Kind* kind = std::get_if<Kind>(&event)) events.push_back(*kind);
    }
    return events;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TESTING_RECORDING_EVENT_SINK_H_
