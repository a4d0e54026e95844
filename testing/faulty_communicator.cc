#include "testing/faulty_communicator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_gate.h"
#include "collectives/check_header.h"
#include "collectives/communicator.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

// What was in the second half of each buffer before anything arrived.
std::vector<std::vector<std::byte>> SaveSecondHalves(
    absl::Span<const Buffer> buffers) {
  std::vector<std::vector<std::byte>> halves;
  for (const Buffer& buffer : buffers) {
    const std::byte* const data = static_cast<const std::byte*>(buffer.data);
    halves.emplace_back(data + buffer.num_bytes / 2, data + buffer.num_bytes);
  }
  return halves;
}

void RestoreSecondHalves(absl::Span<const std::vector<std::byte>> halves,
                         absl::Span<const Buffer> buffers) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    std::copy(
        halves[i].begin(), halves[i].end(),
        static_cast<std::byte*>(buffers[i].data) + buffers[i].num_bytes / 2);
  }
}

void FlipBit(uint64_t bit, absl::Span<const Buffer> buffers) {
  uint64_t num_bits = 0;
  for (const Buffer& buffer : buffers) num_bits += buffer.num_bytes * 8;
  if (num_bits == 0) return;
  bit %= num_bits;
  for (const Buffer& buffer : buffers) {
    if (bit < buffer.num_bytes * 8) {
      static_cast<std::byte*>(buffer.data)[bit / 8] ^= std::byte{1}
                                                       << (bit % 8);
      return;
    }
    bit -= buffer.num_bytes * 8;
  }
}

}  // namespace

FaultyCommunicator::FaultyCommunicator(
    std::unique_ptr<Communicator> communicator, Clock& clock,
    std::vector<Fault> script)
    : communicator_(std::move(communicator)),
      clock_(clock),
      script_(std::move(script)) {}

FaultyCommunicator::~FaultyCommunicator() {
  const absl::Status reason = absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call"));
  gate_.Poison(reason);
  if (!gate_.has_pending_call()) return;
  communicator_->Abort(
      absl::UnavailableError(absl::StrCat("rank ", rank(), " has left")));
  {
    absl::MutexLock lock(&mutex_);
    abort_reason_ = reason;
    aborted_.SignalAll();
  }
  gate_.WaitUntilIdle();
}

absl::Status FaultyCommunicator::Call(Operation operation,
                                      absl::Span<const Buffer> arriving,
                                      SteadyTime deadline,
                                      absl::FunctionRef<absl::Status()> body) {
  const absl::Status entered = gate_.Enter(OperationName(operation));
  if (!entered.ok()) {
    if (gate_.first_error().ok()) Abort(entered);
    return entered;
  }
  const Fault* const fault = FaultOf(num_operations_++);
  return gate_.Leave(fault == nullptr
                         ? body()
                         : RunWithFault(*fault, arriving, deadline, body));
}

const Fault* FaultyCommunicator::FaultOf(int64_t operation) const {
  for (const Fault& fault : script_) {
    if (fault.operation == operation) return &fault;
  }
  return nullptr;
}

absl::Status FaultyCommunicator::RunWithFault(
    const Fault& fault, absl::Span<const Buffer> arriving, SteadyTime deadline,
    absl::FunctionRef<absl::Status()> body) {
  const bool keeps_half = fault.kind == Fault::Kind::kFailDuring ||
                          fault.kind == Fault::Kind::kTruncate;
  std::vector<std::vector<std::byte>> halves;
  if (keeps_half) halves = SaveSecondHalves(arriving);

  switch (fault.kind) {
    case Fault::Kind::kDelay: {
      const SteadyTime now = clock_.Now();
      // A delay past the deadline ends there, as the operation then does.
      const absl::Status status = AwaitAbort(
          fault.delay < deadline - now ? now + fault.delay : deadline);
      if (!status.ok()) return status;
      break;
    }
    case Fault::Kind::kFailBefore:
      return Fail(fault, fault.status);
    case Fault::Kind::kHang: {
      const absl::Status status = AwaitAbort(deadline);
      if (!status.ok()) return status;
      return Fail(fault,
                  absl::DeadlineExceededError("scripted hang to the deadline"));
    }
    case Fault::Kind::kDie:
      if (fault.die) fault.die();
      return Fail(fault, absl::UnavailableError("scripted death"));
    default:
      break;
  }

  const absl::Status status = body();
  if (!status.ok()) return status;
  if (keeps_half) RestoreSecondHalves(halves, arriving);
  if (fault.kind == Fault::Kind::kFlipBit) FlipBit(fault.bit, arriving);
  const bool fails = fault.kind == Fault::Kind::kFailDuring ||
                     fault.kind == Fault::Kind::kFailAfter;
  return fails ? Fail(fault, fault.status) : absl::OkStatus();
}

absl::Status FaultyCommunicator::Fail(const Fault& fault, absl::Status status) {
  if (fault.tells_others) communicator_->Abort(status);
  return status;
}

// The reason of an Abort, or OK at `until`.
absl::Status FaultyCommunicator::AwaitAbort(SteadyTime until) {
  absl::MutexLock lock(&mutex_);
  bool is_time = clock_.Now() >= until;
  while (!is_time && abort_reason_.ok()) {
    is_time = clock_.WaitUntil(aborted_, mutex_, until);
  }
  return abort_reason_;
}

absl::Status FaultyCommunicator::AllReduceSum(absl::Span<int64_t> values,
                                              SteadyTime deadline) {
  const Buffer arriving{values.data(), values.size() * sizeof(int64_t)};
  return Call(Operation::kAllReduceSum, {arriving}, deadline,
              [&] { return communicator_->AllReduceSum(values, deadline); });
}

absl::Status FaultyCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                           SteadyTime deadline) {
  return Call(Operation::kAllGather, {all}, deadline, [&] {
    const Fault* const fault = FaultOf(num_operations_ - 1);
    std::array<std::byte, CheckHeader::kNumBytes> stale;
    if (fault != nullptr && fault->kind == Fault::Kind::kStaleEpoch) {
      absl::StatusOr<CheckHeader> header = CheckHeader::Parse(absl::MakeSpan(
          static_cast<const std::byte*>(mine.data), mine.num_bytes));
      if (header.ok()) {
        --header->epoch;
        stale = header->Serialize();
        mine.data = stale.data();
      }
    }
    return communicator_->AllGather(mine, all, deadline);
  });
}

absl::Status FaultyCommunicator::Broadcast(Buffer data, int root,
                                           SteadyTime deadline) {
  // Nothing arrives at the root.
  const Buffer arriving = rank() == root ? Buffer{} : data;
  return Call(Operation::kBroadcast, {arriving}, deadline,
              [&] { return communicator_->Broadcast(data, root, deadline); });
}

absl::Status FaultyCommunicator::Barrier(SteadyTime deadline) {
  return Call(Operation::kBarrier, {}, deadline,
              [&] { return communicator_->Barrier(deadline); });
}

absl::Status FaultyCommunicator::Exchange(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  std::vector<Buffer> arriving;
  for (const ReceiveMessage& message : receives) {
    arriving.push_back(message.buffer);
  }
  return Call(Operation::kExchange, arriving, deadline, [&] {
    return communicator_->Exchange(sends, receives, deadline);
  });
}

absl::StatusOr<std::unique_ptr<Communicator>> FaultyCommunicator::Clone(
    absl::string_view name, SteadyTime deadline) {
  absl::StatusOr<std::unique_ptr<Communicator>> clone;
  const absl::Status status = Call(Operation::kClone, {}, deadline, [&] {
    clone = communicator_->Clone(name, deadline);
    return clone.status();
  });
  if (!status.ok()) return status;
  return clone;
}

void FaultyCommunicator::Abort(absl::Status reason) {
  reason = AbortReason(std::move(reason));
  gate_.Poison(reason);
  communicator_->Abort(reason);
  absl::MutexLock lock(&mutex_);
  if (abort_reason_.ok()) abort_reason_ = std::move(reason);
  aborted_.SignalAll();
}

std::string FaultyCommunicator::ToString() const {
  return absl::StrCat("faulty ", communicator_->ToString());
}

}  // namespace eplb
