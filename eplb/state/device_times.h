// DeviceTimes: how long rearrangements hold up a stream, by the clock of its
// device. Told when the device has come so far, and never waited for.
//
//   auto begin = stream.RecordTimed();
//   ... what is switched on `stream` ...
//   times.Add("main", step, std::move(begin), stream.RecordTimed());
//   ...
//   times.Report(events);  // Now and then.

#ifndef EPLB_STATE_DEVICE_TIMES_H_
#define EPLB_STATE_DEVICE_TIMES_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "eplb/core/event_sink.h"
#include "kernels/device.h"

namespace eplb {

// Thread-compatible.
class DeviceTimes {
 public:
  // `begin` and `end` are of RecordTimed, on one stream and in this order.
  // Nothing where one of them is an error: a rearrangement does not fail for
  // want of its time.
  void Add(std::string model, int64_t step,
           absl::StatusOr<std::unique_ptr<DeviceEvent>> begin,
           absl::StatusOr<std::unique_ptr<DeviceEvent>> end);

  // Reports those that the device is done with, in the order of Add. Never
  // blocks.
  void Report(EventSink& events);

 private:
  struct Span {
    std::string model;
    int64_t step = 0;
    std::unique_ptr<DeviceEvent> begin;
    std::unique_ptr<DeviceEvent> end;
  };

  std::deque<Span> pending_;
};

}  // namespace eplb

#endif  // EPLB_STATE_DEVICE_TIMES_H_
