// The CUDA runtime of FakeNccl.

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_nccl.h"
#include "testing/fake_nccl_work.h"

namespace eplb {

absl::Status FakeNccl::SetDevice(int device) {
  absl::MutexLock lock(&mutex_);
  devices_[std::this_thread::get_id()] = device;
  return absl::OkStatus();
}

absl::StatusOr<std::string> FakeNccl::DeviceUuid(int device) {
  return absl::StrCat("GPU-fake-", device);
}

absl::StatusOr<CudaStream> FakeNccl::StreamCreate() {
  absl::MutexLock lock(&mutex_);
  return streams_.Create(devices_[std::this_thread::get_id()]);
}

absl::Status FakeNccl::StreamDestroy(CudaStream stream) {
  absl::MutexLock lock(&mutex_);
  if (!streams_.IsIdle(stream)) {
    Violation("a stream destroyed that is unknown, or not idle");
  }
  streams_.Destroy(stream);
  return absl::OkStatus();
}

absl::StatusOr<bool> FakeNccl::StreamQuery(CudaStream stream) {
  absl::MutexLock lock(&mutex_);
  ++num_polls_;
  return streams_.IsIdle(stream);
}

absl::Status FakeNccl::MemcpyAsync(void* to, const void* from, size_t num_bytes,
                                   CudaStream stream) {
  absl::MutexLock lock(&mutex_);
  if (!IsServed(from, num_bytes) || !IsServed(to, num_bytes)) {
    Violation("a copy of memory that a device does not reach");
  }
  streams_.Add(stream, /*clique=*/nullptr, /*rank=*/0,
               {{FakeNcclOperation::Kind::kCopy, from, to, num_bytes}});
  streams_.Run(violations_);
  return absl::OkStatus();
}

absl::StatusOr<void*> FakeNccl::HostAlloc(size_t num_bytes) {
  absl::MutexLock lock(&mutex_);
  const std::shared_ptr<void> memory = pinned_memory_.Allocate(num_bytes);
  pinned_[memory.get()] = memory;
  return memory.get();
}

absl::Status FakeNccl::HostFree(void* memory) {
  absl::MutexLock lock(&mutex_);
  if (pinned_.erase(memory) == 0) Violation("unknown pinned memory freed");
  return absl::OkStatus();
}

}  // namespace eplb
