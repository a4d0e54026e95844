// Device: where a rank's expert weights and counters live, and the few things
// that balancing does with them: allocate, copy many rows at once, checksum,
// route and count.
//
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream,
//                         device.CreateStream());
//   EPLB_RETURN_IF_ERROR(device.CopyBatch(rows, *stream));
//   EPLB_RETURN_IF_ERROR(stream->Synchronize(deadline));
//
// Work is handed to a stream and runs in its order. A stream of the CPU does
// the work before the call returns.

#ifndef EPLB_KERNELS_DEVICE_H_
#define EPLB_KERNELS_DEVICE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/map_and_record.h"

namespace eplb {

// One row of a batch of copies.
struct CopyRow {
  void* destination = nullptr;
  const void* source = nullptr;
  size_t num_bytes = 0;
};

// A row to read.
struct ConstRow {
  const void* data = nullptr;
  size_t num_bytes = 0;
};

// Owns memory of a device, and frees it. Movable. The device outlives it.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // `free` is called once with `data`.
  DeviceBuffer(void* data, size_t num_bytes, MemorySpace space,
               std::function<void(void*)> free)
      : data_(data, std::move(free)), num_bytes_(num_bytes), space_(space) {}

  std::byte* data() const { return static_cast<std::byte*>(data_.get()); }
  size_t num_bytes() const { return num_bytes_; }
  MemorySpace space() const { return space_; }

 private:
  std::unique_ptr<void, std::function<void(void*)>> data_{nullptr,
                                                          [](void*) {}};
  size_t num_bytes_ = 0;
  MemorySpace space_ = MemorySpace::kHost;
};

// A point in a stream's order. Thread-safe.
class DeviceEvent {
 public:
  virtual ~DeviceEvent() = default;

  // Whether all work before the point is done; an error when some of it
  // failed. Never blocks.
  virtual absl::StatusOr<bool> IsComplete() const = 0;

  // Blocks until then. DeadlineExceeded, or the error of the work.
  virtual absl::Status Wait(SteadyTime deadline) const = 0;

  // How long after `earlier`, an event of the same device, its streams came to
  // this point, by the device's clock. Both are of RecordTimed.
  // FailedPrecondition when one of them is not, or is not complete. Never
  // blocks.
  virtual absl::StatusOr<std::chrono::nanoseconds> Since(
      const DeviceEvent& earlier) const = 0;
};

// An order of work on a device. Thread-compatible.
class Stream {
 public:
  virtual ~Stream() = default;

  // A point after all work handed over so far.
  virtual absl::StatusOr<std::unique_ptr<DeviceEvent>> Record() = 0;

  // The same, for Since. Costs the device more: it writes down the time.
  virtual absl::StatusOr<std::unique_ptr<DeviceEvent>> RecordTimed() = 0;

  // Later work of this stream begins after `event`, an event of the same
  // device. Does not block the caller.
  virtual absl::Status WaitFor(const DeviceEvent& event) = 0;

  // Blocks until all work handed over so far is done.
  virtual absl::Status Synchronize(SteadyTime deadline) = 0;
};

// Thread-safe. Streams and events belong to the device that made them.
class Device {
 public:
  virtual ~Device() = default;

  // Where the weights of a rank on this device live.
  virtual MemorySpace memory_space() const = 0;

  // Makes this device the calling thread's current one. Every thread that
  // uses the device calls it once before.
  virtual absl::Status BindThread() = 0;

  // At least 256-byte aligned. ResourceExhausted, with the bytes asked for,
  // when there is not so much; Unimplemented for a space it cannot serve.
  virtual absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                                MemorySpace space) = 0;

  virtual absl::StatusOr<std::unique_ptr<Stream>> CreateStream() = 0;

  // The stream of an engine, by its native handle (a cudaStream_t; nullptr
  // for the CPU). Stays the engine's.
  virtual absl::StatusOr<std::unique_ptr<Stream>> AdoptStream(
      void* native_handle) = 0;

  // Copies every row, in one launch and in no particular order.
  // InvalidArgument, with the two rows, when a destination overlaps any other
  // row's source or destination, or its own source in part; nothing is copied
  // then. `rows` may be freed when the call returns.
  virtual absl::Status CopyBatch(absl::Span<const CopyRow> rows,
                                 Stream& stream) = 0;

  // sums[i] becomes a hash of the bytes of rows[i] (kernels/row_checksum.h),
  // the same on every kind of device. Returns when all are there, after the
  // earlier work of `stream`.
  virtual absl::Status Checksum(absl::Span<const ConstRow> rows,
                                absl::Span<uint64_t> sums, Stream& stream,
                                SteadyTime deadline) = 0;

  // Maps the ids of `pass` to slots and counts them, in one launch, after the
  // earlier work of `stream`. Allocates nothing and waits for nothing, so it
  // can be captured in a CUDA graph. InvalidArgument as MapAndRecordPass says.
  virtual absl::Status MapAndRecord(const MapAndRecordPass& pass,
                                    Stream& stream) = 0;

  // For messages to people: kind, index and name.
  virtual std::string ToString() const = 0;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_DEVICE_H_
