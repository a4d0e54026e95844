// The operations of CheckedCommunicator: what each says of itself in the
// header.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/check_header.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status NothingToPrepare(CheckHeader&) { return absl::OkStatus(); }
absl::Status NothingMore() { return absl::OkStatus(); }

}  // namespace

absl::StatusOr<std::vector<int64_t>> CheckedCommunicator::Agree(
    int64_t value, SteadyTime deadline) {
  std::vector<int64_t> value_of_rank;
  EPLB_RETURN_IF_ERROR(Call(
      Operation::kAgree, deadline,
      [&](CheckHeader& header) {
        header.value = value;
        return absl::OkStatus();
      },
      [&] {
        for (const CheckHeader& header : header_of_rank_) {
          value_of_rank.push_back(header.value);
        }
        return absl::OkStatus();
      }));
  return value_of_rank;
}

absl::Status CheckedCommunicator::AllReduceSum(absl::Span<int64_t> values,
                                               SteadyTime deadline) {
  return Call(
      Operation::kAllReduceSum, deadline,
      [&](CheckHeader& header) {
        header.element_type = CheckHeader::ElementType::kInt64;
        header.num_bytes = values.size() * sizeof(int64_t);
        return absl::OkStatus();
      },
      [&] { return data_->AllReduceSum(values, deadline); });
}

absl::Status CheckedCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                            SteadyTime deadline) {
  return Call(
      Operation::kAllGather, deadline,
      [&](CheckHeader& header) {
        header.num_bytes = mine.num_bytes;
        return CheckAllGather(mine, all, rank(), size());
      },
      [&] { return data_->AllGather(mine, all, deadline); });
}

absl::Status CheckedCommunicator::Broadcast(Buffer data, int root,
                                            SteadyTime deadline) {
  return Call(
      Operation::kBroadcast, deadline,
      [&](CheckHeader& header) {
        header.num_bytes = data.num_bytes;
        header.root = root;
        return CheckBroadcast(data, root, size());
      },
      [&] { return data_->Broadcast(data, root, deadline); });
}

absl::Status CheckedCommunicator::Barrier(SteadyTime deadline) {
  // A rank that has the headers of all knows that all have called.
  return Call(Operation::kBarrier, deadline, NothingToPrepare, NothingMore);
}

absl::Status CheckedCommunicator::Exchange(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  const ExchangeBatch exchange{sends, receives};
  return Call(
      Operation::kExchange, deadline,
      [&](CheckHeader& header) { return PrepareExchange(exchange, header); },
      [&] { return data_->Exchange(sends, receives, deadline); }, &exchange);
}

absl::Status CheckedCommunicator::PrepareExchange(const ExchangeBatch& exchange,
                                                  CheckHeader& header) {
  const auto& [sends, receives] = exchange;
  EPLB_RETURN_IF_ERROR(CheckExchange(sends, receives));
  EPLB_RETURN_IF_ERROR(sends_by_destination_.BuildFromSends(sends, size()));
  EPLB_RETURN_IF_ERROR(receives_by_source_.BuildFromReceives(receives, size()));
  header.pairing_sum =
      SendPairingSum(rank(), size(), sends, sends_by_destination_) -
      ReceivePairingSum(rank(), size(), receives, receives_by_source_);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CheckedCommunicator>>
CheckedCommunicator::CloneChecked(absl::string_view name, SteadyTime deadline) {
  std::unique_ptr<CheckedCommunicator> clone;
  EPLB_RETURN_IF_ERROR(Call(
      Operation::kClone, deadline,
      [&](CheckHeader& header) {
        header.clone_name_hash = StableHash().Add(name).value();
        return absl::OkStatus();
      },
      [&]() -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> data,
                              data_->Clone(name, deadline));
        std::unique_ptr<Communicator> control;
        if (control_ != nullptr) {
          EPLB_ASSIGN_OR_RETURN(control, control_->Clone(name, deadline));
        }
        clone = std::make_unique<CheckedCommunicator>(std::move(data),
                                                      std::move(control));
        clone->context_ = context_;
        clone->configuration_ = configuration_;
        return absl::OkStatus();
      }));
  return clone;
}

absl::StatusOr<std::unique_ptr<Communicator>> CheckedCommunicator::Clone(
    absl::string_view name, SteadyTime deadline) {
  return CloneChecked(name, deadline);
}

void CheckedCommunicator::Abort(absl::Status reason) {
  reason = AbortReason(std::move(reason));
  gate_.Poison(reason);
  AbortChannels(reason);
}

// A call is at its header or at its payload.
std::vector<int> CheckedCommunicator::AwaitedRanks() const {
  std::vector<int> awaited;
  if (control_ != nullptr) awaited = control_->AwaitedRanks();
  return awaited.empty() ? data_->AwaitedRanks() : awaited;
}

std::string CheckedCommunicator::ToString() const {
  return control_ == nullptr
             ? absl::StrCat("checked ", data_->ToString())
             : absl::StrCat("checked ", data_->ToString(), ", headers over ",
                            control_->ToString());
}

}  // namespace eplb
