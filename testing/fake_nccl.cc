#include "testing/fake_nccl.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_nccl_work.h"

namespace eplb {
namespace {

using Kind = FakeNcclOperation::Kind;

// From this version on two ranks may share a device.
constexpr int kSharedDevicesVersion = 23000;

}  // namespace

struct FakeNccl::Comm {
  enum class State { kInitializing, kReady, kFinalizing, kFinalized, kGone };

  NcclComm handle() { return reinterpret_cast<NcclComm>(this); }
  static Comm& Of(NcclComm comm) { return *reinterpret_cast<Comm*>(comm); }
  bool has_fault() const { return fault.error != NcclResult::kSuccess; }

  FakeNcclClique* clique = nullptr;
  int rank = 0;
  std::thread::id owner;
  State state = State::kInitializing;
  int polls_left = 0;
  int num_operations = 0;
  Fault fault = {NcclResult::kSuccess, ""};
};

FakeNccl::FakeNccl() = default;
FakeNccl::~FakeNccl() = default;

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

bool FakeNccl::has_blocked_abort() const {
  absl::MutexLock lock(&mutex_);
  return num_blocked_aborts_ > 0;
}

int FakeNccl::num_aborts() const {
  absl::MutexLock lock(&mutex_);
  return num_aborts_;
}

int FakeNccl::num_destroys() const {
  absl::MutexLock lock(&mutex_);
  return num_destroys_;
}

NcclResult FakeNccl::Violation(absl::string_view text) {
  violations_.emplace_back(text);
  return NcclResult::kInvalidUsage;
}

bool FakeNccl::MayUse(const Comm& comm, absl::string_view call) {
  if (comm.owner != std::this_thread::get_id()) {
    Violation(absl::StrCat(call, " on rank ", comm.rank,
                           " from a thread that did not make it"));
    return false;
  }
  if (comm.state == Comm::State::kGone) {
    Violation(
        absl::StrCat(call, " on rank ", comm.rank, " after abort or destroy"));
    return false;
  }
  return true;
}

bool FakeNccl::IsReady(const Comm& comm, absl::string_view call) {
  if (!MayUse(comm, call)) return false;
  const char* state = nullptr;
  if (comm.has_fault()) {
    state = "after a fault";
  } else if (comm.state == Comm::State::kInitializing) {
    state = "while it initialises";
  } else if (comm.state != Comm::State::kReady) {
    state = "after it was finalized";
  } else if (comm.polls_left > 0) {
    state = "while an earlier call is in progress";
  }
  if (state == nullptr) return true;
  Violation(absl::StrCat(call, " on rank ", comm.rank, " ", state));
  return false;
}

NcclResult FakeNccl::InProgress(Comm& comm) {
  comm.polls_left = polls_in_progress_;
  return comm.polls_left > 0 || comm.has_fault() ? NcclResult::kInProgress
                                                 : NcclResult::kSuccess;
}

NcclResult FakeNccl::GetVersion(int* version) {
  absl::MutexLock lock(&mutex_);
  *version = version_;
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::GetUniqueId(NcclUniqueId* id) {
  absl::MutexLock lock(&mutex_);
  const std::string text = absl::StrCat("fake NCCL ", num_ids_++);
  *id = {};
  std::memcpy(id->bytes, text.data(), text.size());
  return NcclResult::kSuccess;
}

std::string FakeNccl::GetErrorString(NcclResult result) {
  static constexpr const char* kTexts[] = {"no error",
                                           "unhandled cuda error",
                                           "unhandled system error",
                                           "internal error",
                                           "invalid argument",
                                           "invalid usage",
                                           "remote process exited",
                                           "NCCL operation in progress"};
  return kTexts[static_cast<int>(result)];
}

std::string FakeNccl::GetLastError(NcclComm comm) {
  absl::MutexLock lock(&mutex_);
  if (comm == nullptr) return "";
  Comm& state = Comm::Of(comm);
  return MayUse(state, "GetLastError") ? state.fault.text : "";
}

NcclResult FakeNccl::CommInitRankConfig(NcclComm* comm, int num_ranks,
                                        const NcclUniqueId& id, int rank) {
  absl::MutexLock lock(&mutex_);
  *comm = nullptr;
  if (rank < 0 || rank >= num_ranks) return Violation("a rank out of range");
  std::unique_ptr<FakeNcclClique>& clique =
      cliques_[std::string(id.bytes, sizeof(id.bytes))];
  if (clique == nullptr) clique = std::make_unique<FakeNcclClique>(num_ranks);
  const int device = devices_[std::this_thread::get_id()];
  if (clique->num_ranks() != num_ranks ||
      !clique->device_of_rank.emplace(rank, device).second) {
    return Violation("ranks that make no group");
  }
  comms_.push_back(std::make_unique<Comm>());
  Comm& made = *comms_.back();
  made.clique = clique.get();
  made.rank = rank;
  made.owner = std::this_thread::get_id();
  made.polls_left = polls_in_progress_;
  const auto fault = initialization_faults_.find(rank);
  if (fault != initialization_faults_.end()) {
    made.fault = fault->second;
    clique->device_of_rank.erase(rank);  // The others wait for it.
  }
  *comm = made.handle();
  return NcclResult::kInProgress;
}

NcclResult FakeNccl::StateOf(Comm& comm) {
  if (comm.polls_left > 0) {
    --comm.polls_left;
    return NcclResult::kInProgress;
  }
  if (comm.has_fault()) return comm.fault.error;
  if (comm.state == Comm::State::kInitializing) {
    const auto& devices = comm.clique->device_of_rank;
    if (static_cast<int>(devices.size()) < comm.clique->num_ranks()) {
      return NcclResult::kInProgress;
    }
    for (const auto& [rank, device] : devices) {
      if (version_ < kSharedDevicesVersion && rank != comm.rank &&
          device == devices.at(comm.rank)) {
        comm.fault = {NcclResult::kInvalidUsage, "Duplicate GPU detected"};
        return comm.fault.error;
      }
    }
    comm.state = Comm::State::kReady;
  }
  if (comm.state == Comm::State::kFinalizing) {
    if (never_finalized_.count(comm.rank) > 0) return NcclResult::kInProgress;
    comm.state = Comm::State::kFinalized;
  }
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::CommGetAsyncError(NcclComm comm, NcclResult* result) {
  absl::MutexLock lock(&mutex_);
  ++num_polls_;
  Comm& state = Comm::Of(comm);
  if (!MayUse(state, "CommGetAsyncError")) return NcclResult::kInvalidUsage;
  *result = StateOf(state);
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::CommFinalize(NcclComm comm) {
  absl::MutexLock lock(&mutex_);
  Comm& state = Comm::Of(comm);
  if (!IsReady(state, "CommFinalize")) return NcclResult::kInvalidUsage;
  if (streams_.HasWorkOf(state.clique, state.rank)) {
    Violation(absl::StrCat("rank ", state.rank,
                           " is finalized with unpaired operations"));
  }
  state.state = Comm::State::kFinalizing;
  state.polls_left = polls_in_progress_;
  return NcclResult::kInProgress;
}

NcclResult FakeNccl::CommDestroy(NcclComm comm) {
  absl::MutexLock lock(&mutex_);
  Comm& state = Comm::Of(comm);
  if (!MayUse(state, "CommDestroy")) return NcclResult::kInvalidUsage;
  if (state.has_fault()) {
    return Violation(
        absl::StrCat("CommDestroy of rank ", state.rank, " after a fault"));
  }
  if (state.state != Comm::State::kFinalized) {
    return Violation(absl::StrCat("CommDestroy of rank ", state.rank,
                                  " before it was finalized"));
  }
  state.state = Comm::State::kGone;
  ++num_destroys_;
  return NcclResult::kSuccess;
}

NcclResult FakeNccl::CommAbort(NcclComm comm) {
  absl::MutexLock lock(&mutex_);
  Comm& state = Comm::Of(comm);
  if (!MayUse(state, "CommAbort")) return NcclResult::kInvalidUsage;
  state.state = Comm::State::kGone;
  ++num_aborts_;
  if (blocked_aborts_.count(state.rank) > 0) {
    ++num_blocked_aborts_;
    changed_.SignalAll();
    while (blocked_aborts_.count(state.rank) > 0) changed_.Wait(&mutex_);
  }
  streams_.Abort(state.clique, state.rank);
  streams_.Run(violations_);
  return NcclResult::kSuccess;
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
  streams_.Add(stream, /*clique=*/nullptr, /*rank=*/0,
               {{Kind::kCopy, from, to, num_bytes}});
  streams_.Run(violations_);
  return absl::OkStatus();
}

absl::StatusOr<void*> FakeNccl::HostAlloc(size_t num_bytes) {
  absl::MutexLock lock(&mutex_);
  auto memory = std::make_unique<char[]>(num_bytes);
  void* const address = memory.get();
  pinned_[address] = std::move(memory);
  return address;
}

absl::Status FakeNccl::HostFree(void* memory) {
  absl::MutexLock lock(&mutex_);
  if (pinned_.erase(memory) == 0) Violation("unknown pinned memory freed");
  return absl::OkStatus();
}

}  // namespace eplb
