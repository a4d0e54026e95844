#include "testing/lazy_device.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"

namespace eplb {

struct LazyDevice::Shared {
  mutable absl::Mutex mutex;
  int64_t num_waits ABSL_GUARDED_BY(mutex) = 0;
  // The clock of the device.
  std::atomic<std::chrono::nanoseconds> now = std::chrono::nanoseconds(0);
};

namespace {

// What was handed to a stream, and how far it has come. Of the mutex of Shared,
// but for what runs, which holds it already.
struct Work {
  std::vector<std::function<absl::Status()>> all;
  size_t num_done = 0;
  absl::Status status;

  void RunUntil(size_t end) {
    while (num_done < end) status.Update(all[num_done++]());
  }
};

class LazyEvent final : public DeviceEvent {
 public:
  // `time` is written by the work before it; null for an event without.
  LazyEvent(std::shared_ptr<LazyDevice::Shared> shared,
            std::shared_ptr<Work> work,
            std::shared_ptr<const std::chrono::nanoseconds> time = nullptr)
      : shared_(std::move(shared)),
        work_(std::move(work)),
        time_(std::move(time)) {
    absl::MutexLock lock(&shared_->mutex);
    end_ = work_->all.size();
  }

  absl::StatusOr<bool> IsComplete() const override {
    absl::MutexLock lock(&shared_->mutex);
    EPLB_RETURN_IF_ERROR(work_->status);
    return work_->num_done >= end_;
  }

  absl::Status Wait(SteadyTime /*deadline*/) const override {
    absl::MutexLock lock(&shared_->mutex);
    if (work_->num_done < end_) ++shared_->num_waits;
    work_->RunUntil(end_);
    return work_->status;
  }

  absl::StatusOr<std::chrono::nanoseconds> Since(
      const DeviceEvent& earlier) const override {
    const auto& other = static_cast<const LazyEvent&>(earlier);
    EPLB_ASSIGN_OR_RETURN(const std::chrono::nanoseconds begin, other.Time());
    EPLB_ASSIGN_OR_RETURN(const std::chrono::nanoseconds end, Time());
    return end - begin;
  }

  // As part of the work of another stream.
  absl::Status Run() const {
    work_->RunUntil(end_);
    return work_->status;
  }

 private:
  absl::StatusOr<std::chrono::nanoseconds> Time() const {
    if (time_ == nullptr) {
      return absl::FailedPreconditionError("the event has no time");
    }
    EPLB_ASSIGN_OR_RETURN(const bool is_complete, IsComplete());
    if (is_complete) return *time_;
    return absl::FailedPreconditionError("the event has no time yet");
  }

  const std::shared_ptr<LazyDevice::Shared> shared_;
  const std::shared_ptr<Work> work_;
  const std::shared_ptr<const std::chrono::nanoseconds> time_;
  size_t end_ = 0;
};

class LazyStream final : public Stream {
 public:
  explicit LazyStream(std::shared_ptr<LazyDevice::Shared> shared)
      : shared_(std::move(shared)) {}

  void Add(std::function<absl::Status()> work) {
    AddInstant([shared = shared_, work = std::move(work)] {
      shared->now = shared->now.load() + LazyDevice::kTimeOfWork;
      return work();
    });
  }

  void Run() {
    absl::MutexLock lock(&shared_->mutex);
    work_->RunUntil(work_->all.size());
  }

  absl::StatusOr<std::unique_ptr<DeviceEvent>> Record() override {
    return std::make_unique<LazyEvent>(shared_, work_);
  }

  absl::StatusOr<std::unique_ptr<DeviceEvent>> RecordTimed() override {
    const auto time = std::make_shared<std::chrono::nanoseconds>();
    AddInstant([shared = shared_, time] {
      *time = shared->now;
      return absl::OkStatus();
    });
    return std::make_unique<LazyEvent>(shared_, work_, time);
  }

  absl::Status WaitFor(const DeviceEvent& event) override {
    AddInstant(
        [copy = static_cast<const LazyEvent&>(event)] { return copy.Run(); });
    return absl::OkStatus();
  }

  absl::Status Synchronize(SteadyTime deadline) override {
    return LazyEvent(shared_, work_).Wait(deadline);
  }

 private:
  void AddInstant(std::function<absl::Status()> work) {
    absl::MutexLock lock(&shared_->mutex);
    work_->all.push_back(std::move(work));
  }

  const std::shared_ptr<LazyDevice::Shared> shared_;
  const std::shared_ptr<Work> work_ = std::make_shared<Work>();
};

}  // namespace

LazyDevice::LazyDevice()
    : device_stream_(*device_.CreateStream()),
      shared_(std::make_shared<Shared>()) {}

LazyDevice::~LazyDevice() = default;

void LazyDevice::Add(Stream& stream, std::function<void()> work) {
  static_cast<LazyStream&>(stream).Add([work = std::move(work)] {
    work();
    return absl::OkStatus();
  });
}

void LazyDevice::Run(Stream& stream) { static_cast<LazyStream&>(stream).Run(); }

int64_t LazyDevice::num_waits() const {
  absl::MutexLock lock(&shared_->mutex);
  return shared_->num_waits;
}

absl::StatusOr<DeviceBuffer> LazyDevice::Allocate(size_t num_bytes,
                                                  MemorySpace space) {
  EPLB_ASSIGN_OR_RETURN(DeviceBuffer memory,
                        device_.Allocate(num_bytes, MemorySpace::kHost));
  auto owner = std::make_shared<DeviceBuffer>(std::move(memory));
  return DeviceBuffer(owner->data(), num_bytes, space,
                      [owner](void*) mutable { owner.reset(); });
}

absl::StatusOr<std::unique_ptr<Stream>> LazyDevice::CreateStream() {
  return std::make_unique<LazyStream>(shared_);
}

absl::StatusOr<std::unique_ptr<Stream>> LazyDevice::AdoptStream(
    void* /*native_handle*/) {
  return absl::UnimplementedError("a lazy device has no native streams");
}

absl::Status LazyDevice::CopyBatch(absl::Span<const CopyRow> rows,
                                   Stream& stream) {
  static_cast<LazyStream&>(stream).Add(
      [this, rows = std::vector<CopyRow>(rows.begin(), rows.end())] {
        return device_.CopyBatch(rows, *device_stream_);
      });
  return absl::OkStatus();
}

absl::Status LazyDevice::Checksum(absl::Span<const ConstRow> rows,
                                  absl::Span<uint64_t> sums, Stream& stream,
                                  SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(stream.Synchronize(deadline));
  return device_.Checksum(rows, sums, *device_stream_, deadline);
}

absl::Status LazyDevice::MapAndRecord(const MapAndRecordPass& pass,
                                      Stream& stream) {
  static_cast<LazyStream&>(stream).Add(
      [this, pass] { return device_.MapAndRecord(pass, *device_stream_); });
  return absl::OkStatus();
}

}  // namespace eplb
