// CudaStream and its events: the order of work on a CUDA device.

#ifndef EPLB_KERNELS_CUDA_CUDA_STREAM_H_
#define EPLB_KERNELS_CUDA_CUDA_STREAM_H_

#include <cuda_runtime.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "kernels/device.h"

namespace eplb {

// Thread-compatible.
class CudaStream final : public Stream {
 public:
  // Of `device`, which with `clock` outlives it and its events. Adopt leaves
  // the stream to its owner.
  static absl::StatusOr<std::unique_ptr<CudaStream>> Create(
      const Device& device, Clock& clock);
  static std::unique_ptr<CudaStream> Adopt(const Device& device, Clock& clock,
                                           cudaStream_t stream);
  ~CudaStream() override;

  // The stream as what it is. InvalidArgument unless it is of `device`.
  static absl::StatusOr<CudaStream*> Of(const Device& device, Stream& stream);

  cudaStream_t native() const { return stream_; }

  absl::StatusOr<std::unique_ptr<DeviceEvent>> Record() override;
  absl::StatusOr<std::unique_ptr<DeviceEvent>> RecordTimed() override;
  absl::Status WaitFor(const DeviceEvent& event) override;
  absl::Status Synchronize(SteadyTime deadline) override;

 private:
  CudaStream(const Device& device, Clock& clock, cudaStream_t stream,
             bool is_own)
      : device_(device), clock_(clock), stream_(stream), is_own_(is_own) {}

  absl::StatusOr<std::unique_ptr<DeviceEvent>> RecordEvent(bool is_timed);

  const Device& device_;
  Clock& clock_;
  const cudaStream_t stream_;
  const bool is_own_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_CUDA_STREAM_H_
