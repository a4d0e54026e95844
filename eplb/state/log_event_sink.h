// LogEventSink: events as lines of the log (glog), for people.
//
//   LogEventSink log;
//   dependencies.events = &log;
//
// What goes wrong is an error, what was skipped a warning, the rest
// information. What a policy warns of is logged once.

#ifndef EPLB_STATE_LOG_EVENT_SINK_H_
#define EPLB_STATE_LOG_EVENT_SINK_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"

namespace eplb {

// One line, without its table: "main: step 41: balancedness 0.8125, ...".
std::string DescribeEvent(const Event& event);

// Thread-safe.
class LogEventSink final : public EventSink {
 public:
  void Record(const Event& event) override;

 private:
  void LogNewWarnings(const std::string& model,
                      const std::vector<std::string>& warnings);

  absl::Mutex mutex_;
  // Model and text.
  std::set<std::pair<std::string, std::string>> warned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_LOG_EVENT_SINK_H_
