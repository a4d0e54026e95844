// The operations of the nccl backend.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_communicator.h"
#include "collectives/nccl_exchange.h"
#include "collectives/nccl_exchange_order.h"
#include "collectives/nccl_owner.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

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

}  // namespace

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

}  // namespace eplb
