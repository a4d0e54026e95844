#include "collectives/nccl_communicator.h"

#include <algorithm>
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
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_exchange_order.h"
#include "collectives/nccl_owner.h"
#include "collectives/nccl_rendezvous.h"
#include "collectives/operation.h"
#include "collectives/peer_watch.h"
#include "collectives/roll_call.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Groups of an exchange between two looks at whether anything moves on: enough
// that the GPU hardly waits for the next ones.
constexpr size_t kGroupsPerBatch = 4;

// Enough for a sum of the loads of one layer, so that most calls need no more.
constexpr size_t kLeastPinnedValues = 1024;

template <typename AnyBuffer>
absl::Status CheckServed(const AnyBuffer& buffer) {
  if (buffer.space != MemorySpace::kHost || buffer.num_bytes == 0) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      "host memory is not served, only device and pinned host memory are");
}

absl::Status CheckServed(absl::Span<const SendMessage> sends,
                         absl::Span<const ReceiveMessage> receives) {
  for (const SendMessage& message : sends) {
    EPLB_RETURN_IF_ERROR(CheckServed(message.buffer));
  }
  for (const ReceiveMessage& message : receives) {
    EPLB_RETURN_IF_ERROR(CheckServed(message.buffer));
  }
  return absl::OkStatus();
}

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

absl::Status IssueMessages(NcclOwner::Calls& calls,
                           const NcclMessageGroup& group) {
  for (const SendMessage& message : group.sends) {
    EPLB_RETURN_IF_ERROR(calls.Nccl("ncclSend", [&](NcclApi& api) {
      return api.Send(message.buffer.data, message.buffer.num_bytes,
                      NcclDataType::kUint8, message.destination, calls.comm(),
                      calls.stream());
    }));
  }
  for (const ReceiveMessage& message : group.receives) {
    EPLB_RETURN_IF_ERROR(calls.Nccl("ncclRecv", [&](NcclApi& api) {
      return api.Recv(message.buffer.data, message.buffer.num_bytes,
                      NcclDataType::kUint8, message.source, calls.comm(),
                      calls.stream());
    }));
  }
  return absl::OkStatus();
}

absl::Status IssueExchange(NcclOwner::Calls& calls,
                           const NcclExchangeOrder& order) {
  for (const LocalCopy& copy : order.local_copies) {
    EPLB_RETURN_IF_ERROR(calls.Cuda("cudaMemcpyAsync", [&](NcclApi& api) {
      return api.MemcpyAsync(copy.to, copy.from, copy.num_bytes,
                             calls.stream());
    }));
  }
  for (size_t i = 0; i < order.groups.size(); ++i) {
    if (i % kGroupsPerBatch == 0) {
      if (i > 0) EPLB_RETURN_IF_ERROR(calls.WaitForStream());
      calls.ExpectProgress();
    }
    EPLB_RETURN_IF_ERROR(calls.Nccl(
        "ncclGroupStart", [](NcclApi& api) { return api.GroupStart(); }));
    const absl::Status issued = IssueMessages(calls, order.groups[i]);
    // Also after an error: the thread would stay inside the group.
    const absl::Status ended =
        calls.Nccl("ncclGroupEnd", [](NcclApi& api) { return api.GroupEnd(); });
    EPLB_RETURN_IF_ERROR(issued);
    EPLB_RETURN_IF_ERROR(ended);
  }
  return absl::OkStatus();
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

absl::Status NcclCommunicator::ReservePinned(size_t num_values,
                                             SteadyTime deadline) {
  if (num_values <= num_pinned_) return absl::OkStatus();
  const size_t num_bytes = num_values * sizeof(int64_t);
  const auto memory = std::make_shared<void*>(nullptr);
  EPLB_RETURN_IF_ERROR(owner_.Run(
      [memory, num_bytes](NcclOwner::Calls& calls) -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(*memory, calls.PinnedMemory(num_bytes));
        return absl::OkStatus();
      },
      deadline));
  pinned_ = static_cast<int64_t*>(*memory);
  num_pinned_ = num_values;
  return absl::OkStatus();
}

absl::Status NcclCommunicator::SumPinned(size_t num_values,
                                         SteadyTime deadline) {
  return owner_.Run(
      [values = pinned_, num_values](NcclOwner::Calls& calls) {
        return calls.Nccl("ncclAllReduce", [&](NcclApi& api) {
          return api.AllReduce(values, values, num_values, NcclDataType::kInt64,
                               calls.comm(), calls.stream());
        });
      },
      deadline);
}

absl::Status NcclCommunicator::Barrier(SteadyTime deadline) {
  return Call(Operation::kBarrier, deadline, [&] {
    *pinned_ = 0;
    return SumPinned(1, deadline);
  });
}

absl::Status NcclCommunicator::AllReduceSum(absl::Span<int64_t> values,
                                            SteadyTime deadline) {
  return Call(Operation::kAllReduceSum, deadline, [&]() -> absl::Status {
    if (values.empty()) return absl::OkStatus();
    EPLB_RETURN_IF_ERROR(ReservePinned(values.size(), deadline));
    std::copy(values.begin(), values.end(), pinned_);
    EPLB_RETURN_IF_ERROR(SumPinned(values.size(), deadline));
    std::copy_n(pinned_, values.size(), values.begin());
    return absl::OkStatus();
  });
}

absl::Status NcclCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                         SteadyTime deadline) {
  return Call(Operation::kAllGather, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckAllGather(mine, all, rank(), size()));
    EPLB_RETURN_IF_ERROR(CheckServed(mine));
    EPLB_RETURN_IF_ERROR(CheckServed(all));
    if (mine.num_bytes == 0) return absl::OkStatus();
    return owner_.Run(
        [mine, all](NcclOwner::Calls& calls) {
          return calls.Nccl("ncclAllGather", [&](NcclApi& api) {
            return api.AllGather(mine.data, all.data, mine.num_bytes,
                                 NcclDataType::kUint8, calls.comm(),
                                 calls.stream());
          });
        },
        deadline);
  });
}

absl::Status NcclCommunicator::Broadcast(Buffer data, int root,
                                         SteadyTime deadline) {
  return Call(Operation::kBroadcast, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckBroadcast(data, root, size()));
    EPLB_RETURN_IF_ERROR(CheckServed(data));
    if (data.num_bytes == 0) return absl::OkStatus();
    return owner_.Run(
        [data, root](NcclOwner::Calls& calls) {
          return calls.Nccl("ncclBroadcast", [&](NcclApi& api) {
            return api.Broadcast(data.data, data.data, data.num_bytes,
                                 NcclDataType::kUint8, root, calls.comm(),
                                 calls.stream());
          });
        },
        deadline);
  });
}

absl::Status NcclCommunicator::Exchange(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  return Call(Operation::kExchange, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckExchange(sends, receives));
    EPLB_RETURN_IF_ERROR(CheckServed(sends, receives));
    EPLB_ASSIGN_OR_RETURN(NcclExchangeOrder order,
                          OrderForNccl(rank(), size(), sends, receives));
    if (order.local_copies.empty() && order.groups.empty()) {
      return absl::OkStatus();
    }
    return owner_.Run(
        [order = std::move(order)](NcclOwner::Calls& calls) {
          return IssueExchange(calls, order);
        },
        deadline);
  });
}

absl::StatusOr<std::unique_ptr<Communicator>> NcclCommunicator::Clone(
    absl::string_view name, SteadyTime deadline) {
  std::unique_ptr<NcclCommunicator> clone;
  const absl::Status status =
      Call(Operation::kClone, deadline, [&]() -> absl::Status {
        if (!clone_names_.insert(std::string(name)).second) {
          return absl::AlreadyExistsError(
              absl::StrCat("a clone named \"", name, "\" was made before"));
        }
        EPLB_ASSIGN_OR_RETURN(
            std::unique_ptr<Communicator> control,
            control_->Clone(absl::StrCat("clone ", name), deadline));
        clone = std::make_unique<NcclCommunicator>(
            api_, clock_, options_, absl::StrCat(name_, " clone ", name),
            std::move(control));
        {
          absl::MutexLock lock(&mutex_);
          pending_clone_ = clone.get();
        }
        // An abort before that line has not reached the clone.
        absl::Status connected = gate_.first_error();
        if (connected.ok()) connected = clone->Connect(deadline);
        absl::MutexLock lock(&mutex_);
        pending_clone_ = nullptr;
        return connected;
      });
  if (!status.ok()) return status;
  return std::unique_ptr<Communicator>(std::move(clone));
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
