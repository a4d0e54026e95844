// CpuDevice: the Device of a rank whose expert weights are in host memory.
//
//   CpuDevice device;
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream,
//                         device.CreateStream());
//   EPLB_RETURN_IF_ERROR(device.CopyBatch(rows, *stream));
//   // The rows are copied.
//
// All work is done when the call that hands it over returns, so its events are
// complete from the start and no deadline ever passes.

#ifndef EPLB_KERNELS_CPU_CPU_DEVICE_H_
#define EPLB_KERNELS_CPU_CPU_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/cpu/work_threads.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"

namespace eplb {

struct CpuDeviceOptions {
  // Threads that share large batches, with the calling one; 0 for one per core
  // of the machine. Ranks that are threads of one process want one each.
  int num_threads = 0;
};

// Thread-safe. Outlives its streams and events.
class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const CpuDeviceOptions& options = {});

  MemorySpace memory_space() const override { return MemorySpace::kHost; }
  absl::Status BindThread() override { return absl::OkStatus(); }

  // Serves kHost and kPinnedHost, which are the same to a CPU. 2 MiB or more
  // come in huge pages where the machine gives them. ResourceExhausted also
  // for more than the machine has, which the system might promise.
  absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                        MemorySpace space) override;

  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override;

  // InvalidArgument unless `native_handle` is nullptr.
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
  const size_t cache_bytes_;
  WorkThreads threads_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_CPU_DEVICE_H_
