#include "kernels/cuda/cuda_stream.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/device.h"

namespace eplb {
namespace {

// A wait asks so often without a pause, for work that is about to end, and
// then at this pace: CUDA has no wait with a deadline.
constexpr int kQuickLooks = 1000;
constexpr std::chrono::microseconds kPause{50};

class CudaEvent final : public DeviceEvent {
 public:
  // Owns `event`.
  CudaEvent(const Device& device, Clock& clock, cudaEvent_t event,
            bool is_timed)
      : device_(device), clock_(clock), event_(event), is_timed_(is_timed) {}
  ~CudaEvent() override { cudaEventDestroy(event_); }

  cudaEvent_t native() const { return event_; }
  bool IsOf(const Device& device) const { return &device == &device_; }

  absl::StatusOr<bool> IsComplete() const override {
    const cudaError_t error = cudaEventQuery(event_);
    if (error == cudaErrorNotReady) return false;
    EPLB_RETURN_IF_ERROR(CudaStatus(error, "cudaEventQuery"));
    return true;
  }

  absl::Status Wait(SteadyTime deadline) const override {
    absl::Mutex mutex;
    absl::CondVar never;
    absl::MutexLock lock(&mutex);
    for (int looks = 0;; ++looks) {
      EPLB_ASSIGN_OR_RETURN(const bool complete, IsComplete());
      if (complete) return absl::OkStatus();
      const SteadyTime now = clock_.Now();
      if (now >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat(
            device_.ToString(), ": the work of the stream is not done"));
      }
      if (looks < kQuickLooks) {
        std::this_thread::yield();
      } else {
        clock_.WaitUntil(never, mutex, std::min(deadline, now + kPause));
      }
    }
  }

  absl::StatusOr<std::chrono::nanoseconds> Since(
      const DeviceEvent& earlier) const override {
    const auto* own = dynamic_cast<const CudaEvent*>(&earlier);
    if (own == nullptr || !own->IsOf(device_)) {
      return absl::InvalidArgumentError("the event belongs to another device");
    }
    if (!is_timed_ || !own->is_timed_) {
      return absl::FailedPreconditionError(
          "Since: an event of Record has no time; RecordTimed has");
    }
    EPLB_RETURN_IF_ERROR(own->CheckHasTime());
    EPLB_RETURN_IF_ERROR(CheckHasTime());
    float milliseconds = 0;
    EPLB_RETURN_IF_ERROR(
        CudaStatus(cudaEventElapsedTime(&milliseconds, own->event_, event_),
                   "cudaEventElapsedTime"));
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double, std::milli>(milliseconds));
  }

 private:
  absl::Status CheckHasTime() const {
    EPLB_ASSIGN_OR_RETURN(const bool is_complete, IsComplete());
    if (is_complete) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "Since: an event has no time yet: the work before it is not done");
  }

  const Device& device_;
  Clock& clock_;
  const cudaEvent_t event_;
  const bool is_timed_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CudaStream>> CudaStream::Create(
    const Device& device, Clock& clock) {
  cudaStream_t stream = nullptr;
  EPLB_RETURN_IF_ERROR(
      CudaStatus(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                 "cudaStreamCreateWithFlags"));
  return absl::WrapUnique(
      new CudaStream(device, clock, stream, /*is_own=*/true));
}

std::unique_ptr<CudaStream> CudaStream::Adopt(const Device& device,
                                              Clock& clock,
                                              cudaStream_t stream) {
  return absl::WrapUnique(
      new CudaStream(device, clock, stream, /*is_own=*/false));
}

CudaStream::~CudaStream() {
  // Does not wait: the work that was handed over still runs.
  if (is_own_) cudaStreamDestroy(stream_);
}

absl::StatusOr<CudaStream*> CudaStream::Of(const Device& device,
                                           Stream& stream) {
  auto* own = dynamic_cast<CudaStream*>(&stream);
  if (own == nullptr || &own->device_ != &device) {
    return absl::InvalidArgumentError("the stream belongs to another device");
  }
  return own;
}

absl::StatusOr<std::unique_ptr<DeviceEvent>> CudaStream::Record() {
  return RecordEvent(/*is_timed=*/false);
}

absl::StatusOr<std::unique_ptr<DeviceEvent>> CudaStream::RecordTimed() {
  return RecordEvent(/*is_timed=*/true);
}

absl::StatusOr<std::unique_ptr<DeviceEvent>> CudaStream::RecordEvent(
    bool is_timed) {
  cudaEvent_t event = nullptr;
  EPLB_RETURN_IF_ERROR(CudaStatus(
      cudaEventCreateWithFlags(
          &event, is_timed ? cudaEventDefault : cudaEventDisableTiming),
      "cudaEventCreateWithFlags"));
  auto recorded = std::make_unique<CudaEvent>(device_, clock_, event, is_timed);
  EPLB_RETURN_IF_ERROR(
      CudaStatus(cudaEventRecord(event, stream_), "cudaEventRecord"));
  return recorded;
}

absl::Status CudaStream::WaitFor(const DeviceEvent& event) {
  const auto* own = dynamic_cast<const CudaEvent*>(&event);
  if (own == nullptr || !own->IsOf(device_)) {
    return absl::InvalidArgumentError("the event belongs to another device");
  }
  return CudaStatus(cudaStreamWaitEvent(stream_, own->native(), /*flags=*/0),
                    "cudaStreamWaitEvent");
}

absl::Status CudaStream::Synchronize(SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceEvent> event, Record());
  return event->Wait(deadline);
}

}  // namespace eplb
