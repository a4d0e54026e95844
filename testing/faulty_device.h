// FaultyDevice: the CPU device with memory that starts as poison, which can
// pass for an accelerator's and fail at a chosen operation.
//
//   FaultyDevice device({.memory_space = MemorySpace::kDevice,
//                        .failing_operation = 3});
//   ...
//   device.num_operations();  // To sweep every index.

#ifndef EPLB_TESTING_FAULTY_DEVICE_H_
#define EPLB_TESTING_FAULTY_DEVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
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

struct FaultyDeviceOptions {
  // What it says of its memory, which the host can read all the same.
  MemorySpace memory_space = MemorySpace::kHost;
  // Counted from 0 over allocations, copies and checksums; none when negative.
  int64_t failing_operation = -1;
};

// Thread-safe. A copy that fails has copied half of its rows.
class FaultyDevice final : public Device {
 public:
  static constexpr std::byte kPoison{0xa5};

  explicit FaultyDevice(const FaultyDeviceOptions& options = {})
      : options_(options), device_({.num_threads = 1}) {}

  int64_t num_operations() const { return num_operations_; }

  MemorySpace memory_space() const override { return options_.memory_space; }
  absl::Status BindThread() override { return absl::OkStatus(); }
  absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                        MemorySpace space) override;
  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override {
    return device_.CreateStream();
  }
  absl::StatusOr<std::unique_ptr<Stream>> AdoptStream(
      void* native_handle) override {
    return device_.AdoptStream(native_handle);
  }
  absl::Status CopyBatch(absl::Span<const CopyRow> rows,
                         Stream& stream) override;
  absl::Status Checksum(absl::Span<const ConstRow> rows,
                        absl::Span<uint64_t> sums, Stream& stream,
                        SteadyTime deadline) override;
  absl::Status MapAndRecord(const MapAndRecordPass& pass,
                            Stream& stream) override;
  std::string ToString() const override;

 private:
  // Counts an operation; the error when it is the one to fail.
  absl::Status Begin();

  const FaultyDeviceOptions options_;
  CpuDevice device_;
  std::atomic<int64_t> num_operations_ = 0;
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAULTY_DEVICE_H_
