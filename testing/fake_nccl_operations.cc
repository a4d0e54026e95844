// The operations of FakeNccl, and the groups that they are put into.

#include <algorithm>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_nccl.h"
#include "testing/fake_nccl_comm.h"
#include "testing/fake_nccl_work.h"

namespace eplb {
namespace {

using Kind = FakeNcclOperation::Kind;

}  // namespace

bool FakeNccl::IsServed(const void* data, size_t num_bytes) const {
  return device_memory_ == nullptr || data == nullptr ||
         device_memory_->Contains(data, num_bytes) ||
         pinned_memory_.Contains(data, num_bytes);
}

NcclResult FakeNccl::GroupStart() {
  absl::MutexLock lock(&mutex_);
  ++groups_[std::this_thread::get_id()].depth;
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::GroupEnd() {
  absl::MutexLock lock(&mutex_);
  Group& group = groups_[std::this_thread::get_id()];
  if (group.depth == 0) return Violation("GroupEnd without GroupStart");
  if (--group.depth > 0) return NcclResult::kSuccess;
  const Group ended = std::exchange(group, Group());
  largest_group_ =
      std::max<int>(largest_group_, static_cast<int>(ended.operations.size()));
  if (ended.comm == nullptr) return NcclResult::kSuccess;
  return Submit(*ended.comm, ended.operations, ended.stream);
}

NcclResult FakeNccl::Submit(Comm& comm,
                            std::vector<FakeNcclOperation> operations,
                            CudaStream stream) {
  const auto fault = operation_faults_.find({comm.rank, comm.num_operations++});
  if (fault != operation_faults_.end()) {
    comm.fault = fault->second;
  } else {
    streams_.Add(stream, comm.clique, comm.rank, std::move(operations));
    streams_.Run(violations_);
  }
  return InProgress(comm);
}

NcclResult FakeNccl::Add(absl::string_view call,
                         const FakeNcclOperation& operation, NcclComm handle,
                         CudaStream stream) {
  absl::MutexLock lock(&mutex_);
  Comm& comm = Comm::Of(handle);
  if (!IsReady(comm, call)) return NcclResult::kInvalidUsage;
  const bool gathers = operation.kind == Kind::kAllGather;
  if (!IsServed(operation.from, operation.num_bytes()) ||
      !IsServed(operation.to, operation.num_bytes() *
                                  (gathers ? comm.clique->num_ranks() : 1))) {
    return Violation(
        absl::StrCat(call, " with memory that a device does not reach"));
  }
  if (operation.peer < 0 || operation.peer >= comm.clique->num_ranks()) {
    return Violation(absl::StrCat(call, " with rank ", operation.peer));
  }
  Group& group = groups_[std::this_thread::get_id()];
  if (group.depth == 0) return Submit(comm, {operation}, stream);
  const bool is_message =
      operation.kind == Kind::kSend || operation.kind == Kind::kRecv;
  if (!is_message || (group.comm != nullptr && group.comm != &comm)) {
    return Violation(absl::StrCat(call, " in a group of other operations"));
  }
  group.comm = &comm;
  group.stream = stream;
  group.operations.push_back(operation);
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::Send(const void* from, size_t count, NcclDataType type,
                          int peer, NcclComm comm, CudaStream stream) {
  return Add("Send", {Kind::kSend, from, nullptr, count, type, peer}, comm,
             stream);
}

NcclResult FakeNccl::Recv(void* to, size_t count, NcclDataType type, int peer,
                          NcclComm comm, CudaStream stream) {
  return Add("Recv", {Kind::kRecv, nullptr, to, count, type, peer}, comm,
             stream);
}

NcclResult FakeNccl::AllReduce(const void* from, void* to, size_t count,
                               NcclDataType type, NcclComm comm,
                               CudaStream stream) {
  return Add("AllReduce", {Kind::kAllReduce, from, to, count, type}, comm,
             stream);
}

NcclResult FakeNccl::AllGather(const void* from, void* to, size_t count,
                               NcclDataType type, NcclComm comm,
                               CudaStream stream) {
  return Add("AllGather", {Kind::kAllGather, from, to, count, type}, comm,
             stream);
}

NcclResult FakeNccl::Broadcast(const void* from, void* to, size_t count,
                               NcclDataType type, int root, NcclComm comm,
                               CudaStream stream) {
  return Add("Broadcast", {Kind::kBroadcast, from, to, count, type, root}, comm,
             stream);
}

}  // namespace eplb
