// The script of FakeNccl, and what it tells about what happened.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_device_memory.h"
#include "testing/fake_nccl.h"
#include "testing/fake_nccl_comm.h"

namespace eplb {

void FakeNccl::SetVersion(int version) {
  absl::MutexLock lock(&mutex_);
  version_ = version;
}

void FakeNccl::StayInProgress(int polls) {
  absl::MutexLock lock(&mutex_);
  polls_in_progress_ = polls;
}

void FakeNccl::FailOperation(int rank, int operation, NcclResult error,
                             absl::string_view last_error) {
  absl::MutexLock lock(&mutex_);
  operation_faults_[{rank, operation}] = {error, std::string(last_error)};
}

void FakeNccl::FailInitialization(int rank, NcclResult error,
                                  absl::string_view last_error) {
  absl::MutexLock lock(&mutex_);
  initialization_faults_[rank] = {error, std::string(last_error)};
}

void FakeNccl::StallStreams(int device, bool abort_ends_it) {
  absl::MutexLock lock(&mutex_);
  streams_.Stall(device, abort_ends_it);
}

void FakeNccl::ServeOnly(std::shared_ptr<const FakeDeviceMemory> memory) {
  absl::MutexLock lock(&mutex_);
  device_memory_ = std::move(memory);
}

void FakeNccl::BlockAbort(int rank) {
  absl::MutexLock lock(&mutex_);
  blocked_aborts_.insert(rank);
}

void FakeNccl::UnblockAborts() {
  absl::MutexLock lock(&mutex_);
  blocked_aborts_.clear();
  changed_.SignalAll();
}

void FakeNccl::WaitForBlockedAborts(int count) {
  absl::MutexLock lock(&mutex_);
  while (num_blocked_aborts_ < count) changed_.Wait(&mutex_);
}

void FakeNccl::NeverFinalize(int rank) {
  absl::MutexLock lock(&mutex_);
  never_finalized_.insert(rank);
}

std::vector<std::string> FakeNccl::Violations() const {
  absl::MutexLock lock(&mutex_);
  return violations_;
}

std::string FakeNccl::Leftovers() const {
  absl::MutexLock lock(&mutex_);
  std::string leftovers;
  for (const auto& [thread, group] : groups_) {
    if (group.depth > 0) absl::StrAppend(&leftovers, "a group not ended; ");
  }
  for (const std::unique_ptr<Comm>& comm : comms_) {
    if (comm->state == Comm::State::kGone) continue;
    absl::StrAppend(&leftovers, "the communicator of rank ", comm->rank, "; ");
  }
  if (streams_.num_streams() > 0) {
    absl::StrAppend(&leftovers, streams_.num_streams(), " streams; ");
  }
  if (!pinned_.empty()) absl::StrAppend(&leftovers, "pinned memory; ");
  return leftovers;
}

int FakeNccl::largest_group() const {
  absl::MutexLock lock(&mutex_);
  return largest_group_;
}

int64_t FakeNccl::num_polls() const {
  absl::MutexLock lock(&mutex_);
  return num_polls_;
}

int FakeNccl::num_aborts() const {
  absl::MutexLock lock(&mutex_);
  return num_aborts_;
}

int FakeNccl::num_destroys() const {
  absl::MutexLock lock(&mutex_);
  return num_destroys_;
}

}  // namespace eplb
