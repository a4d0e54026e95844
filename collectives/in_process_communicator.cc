#include "collectives/in_process_communicator.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/in_process_channel.h"
#include "collectives/operation.h"
#include "collectives/paced_copy.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Unsigned, for sums that wrap instead of being undefined.
void AddTo(uint64_t* sums, const int64_t* values, int64_t num_values) {
  for (int64_t i = 0; i < num_values; ++i) {
    sums[i] += static_cast<uint64_t>(values[i]);
  }
}

}  // namespace

InProcessCommunicator::InProcessCommunicator(
    std::shared_ptr<InProcessChannel> channel, int rank)
    : channel_(std::move(channel)), rank_(rank) {}

InProcessCommunicator::~InProcessCommunicator() {
  absl::Status reason = absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call"));
  gate_.Poison(reason);
  channel_->Fail(rank_, std::move(reason),
                 absl::UnavailableError(absl::StrCat(
                     channel_->name(), ": rank ", rank_, " has left")));
  gate_.WaitUntilIdle();
}

absl::Status InProcessCommunicator::Call(
    Operation operation, absl::FunctionRef<absl::Status()> body) {
  const absl::string_view name = OperationName(operation);
  const absl::Status entered = gate_.Enter(name);
  if (!entered.ok()) {
    // Poisons where a second thread is at fault; otherwise it already is.
    if (gate_.first_error().ok()) Abort(entered);
    return entered;
  }
  const absl::Status result = body();
  if (!result.ok()) channel_->Fail(rank_, result);
  return gate_.Leave(result);
}

absl::Status InProcessCommunicator::InCall(Operation operation,
                                           const absl::Status& status) const {
  return absl::Status(status.code(),
                      absl::StrCat(OperationName(operation), " on ",
                                   channel_->name(), ": ", status.message()));
}

InProcessCall& InProcessCommunicator::BeginCall(Operation operation) {
  InProcessCall& call = channel_->BeginCall(rank_);
  call.operation = operation;
  call.num_bytes = 0;
  call.root = 0;
  call.clone_name.clear();
  call.source = nullptr;
  call.values = {};
  call.sends = {};
  call.receives = {};
  call.pairing_sum = 0;
  return call;
}

const InProcessCall& InProcessCommunicator::CallOf(int peer) const {
  return channel_->CallOf(rank_, peer);
}

absl::Status InProcessCommunicator::Barrier(SteadyTime deadline) {
  return Call(Operation::kBarrier, [&] {
    BeginCall(Operation::kBarrier);
    return channel_->Meet(rank_, deadline);
  });
}

absl::Status InProcessCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                              SteadyTime deadline) {
  return Call(Operation::kAllGather, [&]() -> absl::Status {
    for (const absl::Status& status :
         {CheckAllGather(mine, all, rank_, size()), CheckOnHost(mine.space),
          CheckOnHost(all.space)}) {
      EPLB_RETURN_IF_ERROR(InCall(Operation::kAllGather, status));
    }
    const size_t num_bytes = mine.num_bytes;
    const bool is_inline = num_bytes <= InProcessCall::kInlineBytes;
    InProcessCall& call = BeginCall(Operation::kAllGather);
    call.num_bytes = num_bytes;
    call.source = static_cast<const std::byte*>(mine.data);
    if (is_inline && num_bytes > 0) {
      std::memcpy(call.inline_bytes, mine.data, num_bytes);
    }
    EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
    std::byte* to = static_cast<std::byte*>(all.data);
    if (is_inline) {
      for (int peer = 0; num_bytes > 0 && peer < size(); ++peer) {
        std::memcpy(to + peer * num_bytes, CallOf(peer).inline_bytes,
                    num_bytes);
      }
      return absl::OkStatus();
    }
    return channel_->Copy(rank_, deadline, [&]() -> absl::Status {
      PacedCopy paced(*channel_, deadline);
      for (int i = 0; i < size(); ++i) {
        // Each rank begins elsewhere, so that they do not all read one.
        const int peer = (rank_ + i) % size();
        EPLB_RETURN_IF_ERROR(
            paced.Copy(to + peer * num_bytes, CallOf(peer).source, num_bytes));
      }
      return absl::OkStatus();
    });
  });
}

absl::Status InProcessCommunicator::Broadcast(Buffer data, int root,
                                              SteadyTime deadline) {
  return Call(Operation::kBroadcast, [&]() -> absl::Status {
    for (const absl::Status& status :
         {CheckBroadcast(data, root, size()), CheckOnHost(data.space)}) {
      EPLB_RETURN_IF_ERROR(InCall(Operation::kBroadcast, status));
    }
    const bool is_inline = data.num_bytes <= InProcessCall::kInlineBytes;
    const bool is_root = rank_ == root;
    InProcessCall& call = BeginCall(Operation::kBroadcast);
    call.num_bytes = data.num_bytes;
    call.root = root;
    call.source = static_cast<const std::byte*>(data.data);
    if (is_inline && is_root && data.num_bytes > 0) {
      std::memcpy(call.inline_bytes, data.data, data.num_bytes);
    }
    EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
    if (is_inline) {
      if (!is_root && data.num_bytes > 0) {
        std::memcpy(data.data, CallOf(root).inline_bytes, data.num_bytes);
      }
      return absl::OkStatus();
    }
    return channel_->Copy(rank_, deadline, [&] {
      return PacedCopy(*channel_, deadline)
          .Copy(data.data, CallOf(root).source, data.num_bytes);
    });
  });
}

absl::Status InProcessCommunicator::AllReduceSum(absl::Span<int64_t> values,
                                                 SteadyTime deadline) {
  return Call(Operation::kAllReduceSum, [&]() -> absl::Status {
    const size_t num_bytes = values.size() * sizeof(int64_t);
    InProcessCall& call = BeginCall(Operation::kAllReduceSum);
    call.num_bytes = num_bytes;
    call.values = values;
    if (num_bytes <= InProcessCall::kInlineBytes) {
      return SumInline(values, call, deadline);
    }
    EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
    return channel_->Copy(rank_, deadline,
                          [&] { return SumOwnShare(values.size(), deadline); });
  });
}

absl::Status InProcessCommunicator::SumInline(absl::Span<int64_t> values,
                                              InProcessCall& call,
                                              SteadyTime deadline) {
  if (!values.empty()) {
    std::memcpy(call.inline_bytes, values.data(), call.num_bytes);
  }
  EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
  uint64_t sums[InProcessCall::kInlineBytes / sizeof(uint64_t)] = {};
  for (int peer = 0; peer < size(); ++peer) {
    AddTo(sums, reinterpret_cast<const int64_t*>(CallOf(peer).inline_bytes),
          values.size());
  }
  std::copy_n(sums, values.size(), values.begin());
  return absl::OkStatus();
}

// Sums a share of the values over all ranks, and writes the sums to all: one
// pass over the memory, and no rank touches what another rank sums.
absl::Status InProcessCommunicator::SumOwnShare(int64_t num_values,
                                                SteadyTime deadline) const {
  constexpr int64_t kValuesPerBlock = 1024;  // Stays in the first cache.
  const int64_t begin = num_values * rank_ / size();
  const int64_t end = num_values * (rank_ + 1) / size();
  PacedCopy paced(*channel_, deadline);
  for (int64_t first = begin; first < end; first += kValuesPerBlock) {
    const int64_t count = std::min(kValuesPerBlock, end - first);
    uint64_t sums[kValuesPerBlock] = {};
    for (int peer = 0; peer < size(); ++peer) {
      AddTo(sums, CallOf(peer).values.data() + first, count);
    }
    for (int peer = 0; peer < size(); ++peer) {
      std::copy_n(sums, count, CallOf(peer).values.data() + first);
    }
    EPLB_RETURN_IF_ERROR(paced.Count(2 * size() * count * sizeof(int64_t)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Communicator>> InProcessCommunicator::Clone(
    absl::string_view name, SteadyTime deadline) {
  std::unique_ptr<Communicator> clone;
  EPLB_RETURN_IF_ERROR(Call(Operation::kClone, [&]() -> absl::Status {
    if (!clone_names_.insert(std::string(name)).second) {
      return InCall(Operation::kClone,
                    absl::AlreadyExistsError(absl::StrCat(
                        "a clone named \"", name, "\" was made before")));
    }
    InProcessCall& call = BeginCall(Operation::kClone);
    call.clone_name = std::string(name);
    EPLB_RETURN_IF_ERROR(channel_->Meet(rank_, deadline));
    clone =
        std::make_unique<InProcessCommunicator>(channel_->Clone(rank_), rank_);
    return absl::OkStatus();
  }));
  return clone;
}

void InProcessCommunicator::Abort(absl::Status reason) {
  reason = AbortReason(std::move(reason));
  gate_.Poison(reason);
  channel_->Fail(rank_, std::move(reason));
}

std::string InProcessCommunicator::ToString() const {
  return absl::StrCat(channel_->name(), ", rank ", rank_, " of ", size());
}

}  // namespace eplb
