#include "collectives/nccl_communicator.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner.h"
#include "collectives/nccl_rendezvous.h"
#include "collectives/operation.h"
#include "collectives/peer_watch.h"
#include "collectives/roll_call.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Enough for a sum of the loads of one layer, so that most calls need no more.
constexpr size_t kLeastPinnedValues = 1024;

// What NCCL must know, and can know only here. An error stays in the result,
// for the other ranks.
NcclRankInfo DescribeRank(NcclOwner::Calls& calls, int device, int rank) {
  NcclRankInfo info;
  info.status = [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(calls.Nccl("ncclGetVersion", [&](NcclApi& api) {
      return api.GetVersion(&info.version);
    }));
    EPLB_RETURN_IF_ERROR(CheckNcclVersion(info.version));
    EPLB_RETURN_IF_ERROR(
        calls.Cuda("cudaGetDeviceProperties", [&](NcclApi& api) {
          absl::StatusOr<std::string> uuid = api.DeviceUuid(device);
          if (uuid.ok()) info.device_uuid = *uuid;
          return uuid.status();
        }));
    if (rank != 0) return absl::OkStatus();
    return calls.Nccl("ncclGetUniqueId",
                      [&](NcclApi& api) { return api.GetUniqueId(&info.id); });
  }();
  return info;
}

}  // namespace

NcclCommunicator::NcclCommunicator(std::shared_ptr<NcclApi> api, Clock& clock,
                                   NcclOwnerOptions options, std::string name,
                                   std::unique_ptr<Communicator> control)
    : api_(std::move(api)),
      clock_(clock),
      options_(options),
      name_(std::move(name)),
      control_(std::move(control)),
      owner_(api_, clock, options) {}

NcclCommunicator::~NcclCommunicator() {
  const absl::Status reason = absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call"));
  const bool is_pending = gate_.has_pending_call();
  gate_.Poison(reason);
  // An owner that nobody waits for is to end without an abort.
  if (is_pending) owner_.Stop(reason);
  {
    absl::MutexLock lock(&mutex_);
    if (pending_clone_ != nullptr) pending_clone_->Abort(reason);
    if (roll_call_ != nullptr) roll_call_->Leave();
  }
  TellOthers(absl::UnavailableError("it has left"));
  gate_.WaitUntilIdle();
  absl::MutexLock lock(&mutex_);
  watch_ = nullptr;  // Before the owner that it speaks to.
}

absl::Status NcclCommunicator::Call(absl::string_view operation,
                                    SteadyTime deadline,
                                    absl::FunctionRef<absl::Status()> body) {
  const absl::Status entered = gate_.Enter(operation);
  if (!entered.ok()) {
    // Poisons where a second thread is at fault; otherwise it already is.
    if (gate_.first_error().ok()) Abort(entered);
    return entered;
  }
  {
    absl::MutexLock lock(&mutex_);
    if (roll_call_ != nullptr) roll_call_->CountCall();
  }
  const bool is_late = clock_.Now() >= deadline;
  absl::Status result =
      is_late ? absl::DeadlineExceededError("called after the deadline")
              : body();
  if (!result.ok()) {
    result = absl::Status(result.code(), absl::StrCat(operation, " on ", name_,
                                                      ": ", result.message()));
    owner_.Stop(result);
    TellOthers(result);
    if (absl::IsDeadlineExceeded(result) && !is_late) {
      result = WithMissingRanks(result);
    }
  }
  return gate_.Leave(result);
}

absl::Status NcclCommunicator::WithMissingRanks(const absl::Status& failure) {
  RollCall* roll_call = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    // The watch takes the roll call, and a rank by itself has none.
    if (watch_ != nullptr && size() > 1) roll_call = roll_call_.get();
  }
  if (roll_call == nullptr) return failure;
  return absl::Status(failure.code(), absl::StrCat(failure.message(), "; ",
                                                   roll_call->Result()));
}

void NcclCommunicator::TellOthers(const absl::Status& failure) {
  control_->Abort(failure);
  absl::MutexLock lock(&mutex_);
  if (watch_ != nullptr) watch_->Tell(failure);
}

absl::Status NcclCommunicator::Connect(SteadyTime deadline) {
  return Call("Connect", deadline, [&] { return MeetAndInit(deadline); });
}

absl::Status NcclCommunicator::MeetAndInit(SteadyTime deadline) {
  const auto mine = std::make_shared<NcclRankInfo>();
  const absl::Status described = owner_.Run(
      [mine, device = options_.device, rank = rank()](NcclOwner::Calls& calls) {
        *mine = DescribeRank(calls, device, rank);
        return absl::OkStatus();
      },
      deadline);
  // Told to the others like the rest. Only a stuck owner still holds `mine`.
  EPLB_ASSIGN_OR_RETURN(
      const NcclUniqueId id,
      MeetForNccl(*control_,
                  described.ok() ? *mine : NcclRankInfo{.status = described},
                  deadline));
  EPLB_RETURN_IF_ERROR(WatchPeers(deadline));
  const auto memory = std::make_shared<void*>(nullptr);
  EPLB_RETURN_IF_ERROR(owner_.Run(
      [id, rank = rank(), size = size(),
       memory](NcclOwner::Calls& calls) -> absl::Status {
        EPLB_RETURN_IF_ERROR(calls.Init(id, size, rank));
        // Pinning may wait for the whole device; here nothing runs yet.
        EPLB_ASSIGN_OR_RETURN(
            *memory, calls.PinnedMemory(kLeastPinnedValues * sizeof(int64_t)));
        return absl::OkStatus();
      },
      deadline));
  pinned_ = static_cast<int64_t*>(*memory);
  num_pinned_ = kLeastPinnedValues;
  return absl::OkStatus();
}

absl::Status NcclCommunicator::WatchPeers(SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<RollCall> roll_call,
      RollCall::Create(*control_, clock_, options_.roll_call_bound, deadline));
  const auto on_failure = [this,
                           roll_call = roll_call.get()](absl::Status failure) {
    owner_.PeerFailed(std::move(failure));
    // Whatever the failure: another rank may be asking.
    roll_call->Take();
  };
  {
    absl::MutexLock lock(&mutex_);
    roll_call_ = std::move(roll_call);
  }
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<PeerWatch> watch,
                        PeerWatch::Start(*control_, deadline, on_failure));
  absl::MutexLock lock(&mutex_);
  watch_ = std::move(watch);
  return absl::OkStatus();
}

void NcclCommunicator::Abort(absl::Status reason) {
  reason = AbortReason(std::move(reason));
  gate_.Poison(reason);
  owner_.Stop(reason);
  {
    absl::MutexLock lock(&mutex_);
    if (pending_clone_ != nullptr) pending_clone_->Abort(reason);
  }
  TellOthers(reason);
}

std::string NcclCommunicator::ToString() const {
  return absl::StrCat(name_, ", rank ", rank(), " of ", size());
}

absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    std::shared_ptr<NcclApi> api, Clock& clock, const NcclOwnerOptions& options,
    uint64_t epoch, std::unique_ptr<Communicator> control,
    SteadyTime deadline) {
  auto communicator = std::make_unique<NcclCommunicator>(
      std::move(api), clock, options, absl::StrCat("nccl epoch ", epoch),
      std::move(control));
  EPLB_RETURN_IF_ERROR(communicator->Connect(deadline));
  return std::unique_ptr<Communicator>(std::move(communicator));
}

NcclCommunicatorFactory::NcclCommunicatorFactory(
    std::shared_ptr<NcclApi> api, Clock& clock, NcclOwnerOptions options,
    std::unique_ptr<CommunicatorFactory> control)
    : api_(std::move(api)),
      clock_(clock),
      options_(options),
      control_(std::move(control)) {}

absl::StatusOr<std::unique_ptr<Communicator>> NcclCommunicatorFactory::Connect(
    uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                        control_->Connect(epoch, members, deadline));
  return ConnectNccl(api_, clock_, options_, epoch, std::move(control),
                     deadline);
}

}  // namespace eplb
