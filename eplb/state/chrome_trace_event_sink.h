// ChromeTraceEventSink: rearrangements as a trace that chrome://tracing and
// Perfetto show.
//
//   ChromeTraceEventSink trace(clock, rank);
//   dependencies.events = &trace;
//   ...
//   std::ofstream("rank0.json") << trace.Json();

#ifndef EPLB_STATE_CHROME_TRACE_EVENT_SINK_H_
#define EPLB_STATE_CHROME_TRACE_EVENT_SINK_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"

namespace eplb {

// Thread-safe. The clock outlives it.
class ChromeTraceEventSink final : public EventSink {
 public:
  // Times count from now; `rank` is the process of the trace. Keeps the latest
  // `max_spans` rearrangements.
  ChromeTraceEventSink(const Clock& clock, int rank, int max_spans = 10000);

  void Record(const Event& event) override ABSL_LOCKS_EXCLUDED(mutex_);

  // The trace so far: an object with traceEvents.
  std::string Json() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // From the start of a rearrangement to its end.
  struct Span {
    std::string model = {};
    std::string outcome = {};
    int64_t step = 0;
    double begin_microseconds = 0;
    double microseconds = 0;
    int64_t moved_slots = 0;
    int64_t moved_bytes = 0;
    // Once the device has told.
    std::optional<double> device_microseconds = {};
  };

  double MicrosecondsSinceBegin() const;
  void Finish(const std::string& model, Span span)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddDeviceTime(const RearrangementTimed& timed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const int rank_;
  const size_t max_spans_;
  const SteadyTime begin_;
  mutable absl::Mutex mutex_;
  std::map<std::string, double> started_ ABSL_GUARDED_BY(mutex_);  // By model.
  std::vector<Span> spans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_CHROME_TRACE_EVENT_SINK_H_
