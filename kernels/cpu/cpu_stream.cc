#include "kernels/cpu/cpu_stream.h"

#include <chrono>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "kernels/device.h"

namespace eplb {
namespace {

// All work before it was done when it was handed over.
class CpuEvent final : public DeviceEvent {
 public:
  explicit CpuEvent(const Device& device,
                    std::optional<SteadyTime> time = std::nullopt)
      : device_(device), time_(time) {}

  absl::StatusOr<bool> IsComplete() const override { return true; }
  absl::Status Wait(SteadyTime /*deadline*/) const override {
    return absl::OkStatus();
  }

  absl::StatusOr<std::chrono::nanoseconds> Since(
      const DeviceEvent& earlier) const override {
    const auto* own = dynamic_cast<const CpuEvent*>(&earlier);
    if (own == nullptr || !own->IsOf(device_)) {
      return absl::InvalidArgumentError("the event belongs to another device");
    }
    if (!time_ || !own->time_) {
      return absl::FailedPreconditionError(
          "Since: an event of Record has no time; RecordTimed has");
    }
    return *time_ - *own->time_;
  }

  bool IsOf(const Device& device) const { return &device == &device_; }

 private:
  const Device& device_;
  const std::optional<SteadyTime> time_;
};

}  // namespace

absl::Status CpuStream::CheckIsOf(const Device& device, const Stream& stream) {
  const auto* own = dynamic_cast<const CpuStream*>(&stream);
  if (own == nullptr || &own->device_ != &device) {
    return absl::InvalidArgumentError("the stream belongs to another device");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DeviceEvent>> CpuStream::Record() {
  return std::make_unique<CpuEvent>(device_);
}

absl::StatusOr<std::unique_ptr<DeviceEvent>> CpuStream::RecordTimed() {
  // The clock of this device is that of the machine.
  return std::make_unique<CpuEvent>(device_, SystemClock().Now());
}

absl::Status CpuStream::WaitFor(const DeviceEvent& event) {
  const auto* own = dynamic_cast<const CpuEvent*>(&event);
  if (own == nullptr || !own->IsOf(device_)) {
    return absl::InvalidArgumentError("the event belongs to another device");
  }
  return absl::OkStatus();
}

absl::Status CpuStream::Synchronize(SteadyTime /*deadline*/) {
  return absl::OkStatus();
}

}  // namespace eplb
