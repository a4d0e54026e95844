// LogEventSink: events as lines of the log (glog), for people.
//
//   LogEventSink log;
//   dependencies.events = &log;
//
// What goes wrong is an error, what was skipped a warning, the rest
// information.

#ifndef EPLB_STATE_LOG_EVENT_SINK_H_
#define EPLB_STATE_LOG_EVENT_SINK_H_

#include <string>

#include "eplb/core/event_sink.h"

namespace eplb {

// One line, without its table: "main: step 41: balancedness 0.8125, ...".
std::string DescribeEvent(const Event& event);

// Thread-safe.
class LogEventSink final : public EventSink {
 public:
  void Record(const Event& event) override;
};

}  // namespace eplb

#endif  // EPLB_STATE_LOG_EVENT_SINK_H_
