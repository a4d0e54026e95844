// CpuStream: the order of work on a CPU, which is the order of the calls.

#ifndef EPLB_KERNELS_CPU_CPU_STREAM_H_
#define EPLB_KERNELS_CPU_CPU_STREAM_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "kernels/device.h"

namespace eplb {

// Thread-compatible.
class CpuStream final : public Stream {
 public:
  // Belongs to `device`, which outlives it.
  explicit CpuStream(const Device& device) : device_(device) {}

  // InvalidArgument unless `stream` is a CpuStream of `device`. Nothing would
  // go wrong on a CPU, but the same program would go wrong elsewhere.
  static absl::Status CheckIsOf(const Device& device, const Stream& stream);

  absl::StatusOr<std::unique_ptr<DeviceEvent>> Record() override;
  absl::StatusOr<std::unique_ptr<DeviceEvent>> RecordTimed() override;
  absl::Status WaitFor(const DeviceEvent& event) override;
  absl::Status Synchronize(SteadyTime deadline) override;

 private:
  const Device& device_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_CPU_STREAM_H_
