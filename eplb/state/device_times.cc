#include "eplb/state/device_times.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "eplb/core/event_sink.h"
#include "kernels/device.h"

namespace eplb {

void DeviceTimes::Add(std::string model, int64_t step,
                      absl::StatusOr<std::unique_ptr<DeviceEvent>> begin,
                      absl::StatusOr<std::unique_ptr<DeviceEvent>> end) {
  if (!begin.ok() || !end.ok()) return;
  pending_.push_back(
      {std::move(model), step, *std::move(begin), *std::move(end)});
}

void DeviceTimes::Report(EventSink& events) {
  while (!pending_.empty()) {
    const Span& span = pending_.front();
    const absl::StatusOr<bool> is_complete = span.end->IsComplete();
    if (is_complete.ok() && !*is_complete) return;
    // Of work that has failed there is no time; the step that uses the device
    // next returns the error.
    const absl::StatusOr<std::chrono::nanoseconds> time =
        span.end->Since(*span.begin);
    if (time.ok()) {
      events.Record(RearrangementTimed{
          .model = span.model,
          .step = span.step,
          .device_seconds = std::chrono::duration<double>(*time).count()});
    }
    pending_.pop_front();
  }
}

}  // namespace eplb
