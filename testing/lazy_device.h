// LazyDevice: a device whose streams do their work only when somebody waits for
// it, and then no more of it than that: what an accelerator may do at its
// slowest. Who forgets to wait, or to order two streams, meets old bytes.
//
//   LazyDevice device;
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream,
//                         device.CreateStream());
//   LazyDevice::Add(*stream, [&] { seen = *row; });  // A kernel of an engine.
//   EPLB_RETURN_IF_ERROR(stream->Synchronize(deadline));  // It runs here.

#ifndef EPLB_TESTING_LAZY_DEVICE_H_
#define EPLB_TESTING_LAZY_DEVICE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"

namespace eplb {

// Thread-safe. Says that its memory is a device's; the host can read it all the
// same. Outlives its streams and events.
class LazyDevice final : public Device {
 public:
  LazyDevice();
  ~LazyDevice() override;

  // What each piece of work takes, by the clock of the device, which stands
  // still between them.
  static constexpr std::chrono::milliseconds kTimeOfWork{1};

  // Hands `work` to `stream`, one of a LazyDevice. It calls no device.
  static void Add(Stream& stream, std::function<void()> work);

  // The device has come so far by itself: all work of `stream` is done.
  static void Run(Stream& stream);

  // How often somebody waited for work that was not done.
  int64_t num_waits() const;

  MemorySpace memory_space() const override { return MemorySpace::kDevice; }
  absl::Status BindThread() override { return absl::OkStatus(); }
  absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                        MemorySpace space) override;
  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override;
  // Unimplemented: there are no native handles.
  absl::StatusOr<std::unique_ptr<Stream>> AdoptStream(
      void* native_handle) override;
  absl::Status CopyBatch(absl::Span<const CopyRow> rows,
                         Stream& stream) override;
  absl::Status Checksum(absl::Span<const ConstRow> rows,
                        absl::Span<uint64_t> sums, Stream& stream,
                        SteadyTime deadline) override;
  // Reads and writes the arrays of `pass` when it runs.
  absl::Status MapAndRecord(const MapAndRecordPass& pass,
                            Stream& stream) override;
  std::string ToString() const override { return "lazy device"; }

  // What streams and events of the device share.
  struct Shared;

 private:
  CpuDevice device_{{.num_threads = 1}};
  std::unique_ptr<Stream> device_stream_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace eplb

#endif  // EPLB_TESTING_LAZY_DEVICE_H_
