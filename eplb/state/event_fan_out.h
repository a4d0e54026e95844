// EventFanOut: one event sink that passes every event to several.
//
//   LogEventSink log;
//   PrometheusEventSink metrics;
//   EventFanOut events({&log, &metrics});

#ifndef EPLB_STATE_EVENT_FAN_OUT_H_
#define EPLB_STATE_EVENT_FAN_OUT_H_

#include <utility>
#include <vector>

#include "eplb/core/event_sink.h"

namespace eplb {

// Thread-safe. The sinks outlive it.
class EventFanOut final : public EventSink {
 public:
  explicit EventFanOut(std::vector<EventSink*> sinks)
      : sinks_(std::move(sinks)) {}

  void Record(const Event& event) override {
    for (EventSink* sink : sinks_) sink->Record(event);
  }

 private:
  const std::vector<EventSink*> sinks_;
};

}  // namespace eplb

#endif  // EPLB_STATE_EVENT_FAN_OUT_H_
