#include "testing/fake_nccl.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_nccl_comm.h"
#include "testing/fake_nccl_work.h"

namespace eplb {
namespace {

// From this version on two ranks may share a device.
constexpr int kSharedDevicesVersion = 23000;

}  // namespace

FakeNccl::FakeNccl() = default;
FakeNccl::~FakeNccl() = default;

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

}  // namespace eplb
