#include "kernels/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "kernels/checksum_rows.h"
#include "kernels/copy_rows.h"
#include "kernels/cuda/checksum_kernel.h"
#include "kernels/cuda/copy_rows_kernel.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/driver_copy.h"
#include "kernels/cuda/map_ids_kernel.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/row_checksum.h"

namespace eplb {
namespace {

// Few sizes of buffers, so that they are found again.
constexpr size_t kMinSums = 1024;

// The device may be given back by the system before the buffers are, at the end
// of a program; there is nobody to tell then.
void FreeOfDevice(void* data) { cudaFree(data); }
void FreePinned(void* data) { cudaFreeHost(data); }

}  // namespace

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::Create(
    const CudaDeviceOptions& options, Clock& clock) {
  int num_devices = 0;
  const absl::Status status =
      CudaStatus(cudaGetDeviceCount(&num_devices), "cudaGetDeviceCount");
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(
        absl::StrCat("no CUDA device: ", status.message()));
  }
  EPLB_RETURN_IF_ERROR(status);
  if (options.index < 0 || options.index >= num_devices) {
    return absl::UnavailableError(
        absl::StrCat("no CUDA device: index ", options.index, " of ",
                     num_devices, " devices, counted from 0"));
  }
  EPLB_RETURN_IF_ERROR(
      CudaStatus(cudaSetDevice(options.index), "cudaSetDevice"));
  EPLB_ASSIGN_OR_RETURN(DeviceInfo info, CurrentDeviceInfo());
  return absl::WrapUnique(new CudaDevice(options, std::move(info), clock));
}

CudaDevice::~CudaDevice() {
  absl::MutexLock lock(&mutex_);
  for (SumBuffers& buffers : sum_buffers_) {
    // cudaFree waits for the device, so this cannot pull memory away from it.
    buffers.on_device = DeviceBuffer();
  }
}

absl::Status CudaDevice::BindThread() {
  return CudaStatus(cudaSetDevice(options_.index), "cudaSetDevice");
}

absl::StatusOr<DeviceBuffer> CudaDevice::Allocate(size_t num_bytes,
                                                  MemorySpace space) {
  if (space == MemorySpace::kHost) {
    return absl::UnimplementedError(
        "Allocate: a CUDA device has device memory and pinned host memory; it "
        "cannot reach other host memory");
  }
  if (num_bytes == 0) return DeviceBuffer(nullptr, 0, space, [](void*) {});
  const bool is_pinned = space == MemorySpace::kPinnedHost;
  void* data = nullptr;
  const cudaError_t error =
      is_pinned ? cudaHostAlloc(&data, num_bytes, cudaHostAllocPortable)
                : cudaMalloc(&data, num_bytes);
  const absl::Status status =
      CudaStatus(error, is_pinned ? "cudaHostAlloc" : "cudaMalloc");
  // A size is the only value of the call that can be too large.
  if (error == cudaErrorMemoryAllocation || error == cudaErrorInvalidValue) {
    return absl::ResourceExhaustedError(
        absl::StrCat("Allocate: no ", num_bytes, " bytes of ",
                     MemorySpaceName(space), " memory: ", status.message()));
  }
  EPLB_RETURN_IF_ERROR(status);
  return DeviceBuffer(data, num_bytes, space,
                      is_pinned ? FreePinned : FreeOfDevice);
}

absl::StatusOr<std::unique_ptr<Stream>> CudaDevice::CreateStream() {
  return CudaStream::Create(*this, clock_);
}

absl::StatusOr<std::unique_ptr<Stream>> CudaDevice::AdoptStream(
    void* native_handle) {
  return CudaStream::Adopt(*this, clock_,
                           static_cast<cudaStream_t>(native_handle));
}

absl::Status CudaDevice::CopyBatch(absl::Span<const CopyRow> rows,
                                   Stream& stream) {
  EPLB_ASSIGN_OR_RETURN(CudaStream * own, CudaStream::Of(*this, stream));
  EPLB_RETURN_IF_ERROR(CheckCopyRows(rows));
  if (options_.copy_method == CudaCopyMethod::kDriver) {
    return DriverCopyRows(rows, own->native());
  }
  return LaunchCopyRows(rows, info_.num_multiprocessors, own->native());
}

absl::Status CudaDevice::Checksum(absl::Span<const ConstRow> rows,
                                  absl::Span<uint64_t> sums, Stream& stream,
                                  SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(CudaStream * own, CudaStream::Of(*this, stream));
  EPLB_RETURN_IF_ERROR(CheckChecksumRows(rows, sums.size()));
  if (rows.empty()) return absl::OkStatus();
  EPLB_ASSIGN_OR_RETURN(SumBuffers buffers, TakeSumBuffers(rows.size()));
  const size_t num_bytes = rows.size() * sizeof(uint64_t);
  auto* on_device = reinterpret_cast<uint64_t*>(buffers.on_device.data());
  absl::Status status =
      CudaStatus(cudaMemsetAsync(on_device, 0, num_bytes, own->native()),
                 "cudaMemsetAsync");
  if (status.ok()) {
    status = LaunchRowSums(rows, on_device, info_.num_multiprocessors,
                           own->native());
  }
  if (status.ok()) {
    status =
        CudaStatus(cudaMemcpyAsync(buffers.on_host.data(), on_device, num_bytes,
                                   cudaMemcpyDeviceToHost, own->native()),
                   "cudaMemcpyAsync");
  }
  EPLB_ASSIGN_OR_RETURN(buffers.done, stream.Record());
  if (status.ok()) status = buffers.done->Wait(deadline);
  if (status.ok()) {
    std::memcpy(sums.data(), buffers.on_host.data(), num_bytes);
    for (size_t i = 0; i < rows.size(); ++i) {
      sums[i] = FinishRowChecksum(sums[i], rows[i].num_bytes);
    }
  }
  PutBack(std::move(buffers));
  return status;
}

absl::StatusOr<CudaDevice::SumBuffers> CudaDevice::TakeSumBuffers(
    size_t count) {
  size_t num_sums = kMinSums;
  while (num_sums < count) num_sums *= 2;
  const size_t num_bytes = num_sums * sizeof(uint64_t);
  {
    absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < sum_buffers_.size(); ++i) {
      if (sum_buffers_[i].on_host.num_bytes() < num_bytes) continue;
      // After a deadline the device may still be at them.
      const absl::StatusOr<bool> done = sum_buffers_[i].done->IsComplete();
      if (!done.ok() || !*done) continue;
      SumBuffers buffers = std::move(sum_buffers_[i]);
      sum_buffers_.erase(sum_buffers_.begin() + i);
      return buffers;
    }
  }
  SumBuffers buffers;
  EPLB_ASSIGN_OR_RETURN(buffers.on_device,
                        Allocate(num_bytes, MemorySpace::kDevice));
  EPLB_ASSIGN_OR_RETURN(buffers.on_host,
                        Allocate(num_bytes, MemorySpace::kPinnedHost));
  return buffers;
}

void CudaDevice::PutBack(SumBuffers buffers) {
  absl::MutexLock lock(&mutex_);
  sum_buffers_.push_back(std::move(buffers));
}

absl::Status CudaDevice::MapAndRecord(const MapAndRecordPass& pass,
                                      Stream& stream) {
  EPLB_ASSIGN_OR_RETURN(CudaStream * own, CudaStream::Of(*this, stream));
  EPLB_RETURN_IF_ERROR(pass.Validate());
  return LaunchMapIds(pass, own->native());
}

std::string CudaDevice::ToString() const {
  return absl::StrCat("cuda ", info_.index, ": ", info_.name);
}

}  // namespace eplb
