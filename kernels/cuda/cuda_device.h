// CudaDevice: the Device of a rank whose expert weights are on a CUDA device.
//
//   SystemClock clock;
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<CudaDevice> device,
//                         CudaDevice::Create({.index = local_rank}, clock));
//   EPLB_RETURN_IF_ERROR(device->BindThread());
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream,
//                         device->AdoptStream(engine_stream));
//   EPLB_RETURN_IF_ERROR(device->CopyBatch(rows, *stream));
//
// CopyBatch and MapAndRecord allocate nothing on the device and wait for
// nothing, so they can be captured in CUDA graphs.

#ifndef EPLB_KERNELS_CUDA_CUDA_DEVICE_H_
#define EPLB_KERNELS_CUDA_CUDA_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/cuda/device_info.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"

namespace eplb {

enum class CudaCopyMethod {
  kKernel,  // One kernel of our own.
  kDriver,  // cudaMemcpyBatchAsync; needs a toolkit from CUDA 13.0 on.
};

struct CudaDeviceOptions {
  // CUDA's index of the device.
  int index = 0;
  CudaCopyMethod copy_method = CudaCopyMethod::kKernel;
};

// Thread-safe. Outlives its streams, events and buffers. All rows lie in memory
// of the device or in pinned memory.
class CudaDevice final : public Device {
 public:
  // Unavailable when there is no such device. `clock` outlives the device.
  // Binds the calling thread to the device.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> Create(
      const CudaDeviceOptions& options, Clock& clock);
  ~CudaDevice() override;

  MemorySpace memory_space() const override { return MemorySpace::kDevice; }
  absl::Status BindThread() override;

  // Serves kDevice and kPinnedHost.
  absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                        MemorySpace space) override;

  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override;

  // `native_handle` is a cudaStream_t; nullptr is the default stream.
  absl::StatusOr<std::unique_ptr<Stream>> AdoptStream(
      void* native_handle) override;

  absl::Status CopyBatch(absl::Span<const CopyRow> rows,
                         Stream& stream) override;

  absl::Status Checksum(absl::Span<const ConstRow> rows,
                        absl::Span<uint64_t> sums, Stream& stream,
                        SteadyTime deadline) override;

  absl::Status MapAndRecord(const MapAndRecordPass& pass,
                            Stream& stream) override;

  std::string ToString() const override;

 private:
  // Where the sums of one Checksum are added up and read.
  struct SumBuffers {
    DeviceBuffer on_device;
    DeviceBuffer on_host;
    // Complete when the device is done with both; null while in use.
    std::unique_ptr<DeviceEvent> done;
  };

  CudaDevice(const CudaDeviceOptions& options, DeviceInfo info, Clock& clock)
      : options_(options), info_(std::move(info)), clock_(clock) {}

  // Buffers for `count` sums that the device is done with.
  absl::StatusOr<SumBuffers> TakeSumBuffers(size_t count);
  void PutBack(SumBuffers buffers);

  const CudaDeviceOptions options_;
  const DeviceInfo info_;
  Clock& clock_;
  absl::Mutex mutex_;
  std::vector<SumBuffers> sum_buffers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CUDA_CUDA_DEVICE_H_
