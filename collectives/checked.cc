#include "collectives/checked.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/check_header.h"
#include "collectives/communicator.h"
#include "collectives/disagreement_rounds.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status NothingToPrepare(CheckHeader&) { return absl::OkStatus(); }
absl::Status NothingMore() { return absl::OkStatus(); }

// Whether all ranks begin the same operation: only then do further rounds
// about its details make sense.
bool AtSameOperation(absl::Span<const HeaderDifference> differences) {
  for (const HeaderDifference& difference : differences) {
    if (difference.is_about_operation) return false;
  }
  return true;
}

absl::Status DisagreementError(Operation operation,
                               absl::Span<const HeaderDifference> differences) {
  std::string message =
      absl::StrCat("before ", OperationName(operation), " the ranks disagree");
  for (const HeaderDifference& difference : differences) {
    absl::StrAppend(&message, "; ", difference.field, ": ", difference.values);
  }
  return absl::FailedPreconditionError(message);
}

}  // namespace

CheckedCommunicator::CheckedCommunicator(
    std::unique_ptr<Communicator> communicator)
    : communicator_(std::move(communicator)),
      header_of_rank_(communicator_->size()),
      gathered_bytes_(communicator_->size() * CheckHeader::kNumBytes) {}

CheckedCommunicator::~CheckedCommunicator() {
  gate_.Poison(absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call")));
  if (!gate_.has_pending_call()) return;
  communicator_->Abort(
      absl::UnavailableError(absl::StrCat("rank ", rank(), " has left")));
  gate_.WaitUntilIdle();
}

void CheckedCommunicator::set_configuration(ConfigurationFields configuration) {
  configuration_ = std::move(configuration);
}

absl::Status CheckedCommunicator::Call(
    Operation operation, SteadyTime deadline,
    absl::FunctionRef<absl::Status(CheckHeader&)> prepare,
    absl::FunctionRef<absl::Status()> body, const ExchangeBatch* exchange) {
  const absl::Status entered = gate_.Enter(OperationName(operation));
  if (!entered.ok()) {
    // Poisons where a second thread is at fault; otherwise it already is.
    if (gate_.first_error().ok()) Abort(entered);
    return entered;
  }
  CheckHeader header;
  header.operation = operation;
  absl::Status result = prepare(header);
  if (!result.ok()) {
    // Not by a header: this rank has nothing to compare.
    communicator_->Abort(result);
    return gate_.Leave(result);
  }
  CompleteHeader(header);
  result = GatherHeaders(header, deadline);
  if (!result.ok()) return gate_.Leave(result);
  const auto differences = FindDifferences(exchange, deadline);
  if (!differences.ok()) return gate_.Leave(differences.status());
  if (differences->empty()) return gate_.Leave(body());
  result = DisagreementError(operation, *differences);
  return AtSameOperation(*differences) ? gate_.LeaveUsable(result)
                                       : gate_.Leave(result);
}

void CheckedCommunicator::CompleteHeader(CheckHeader& header) {
  header.epoch = context_.epoch;
  header.sequence = sequence_++;
  header.state = context_.state;
  header.forward_id = context_.forward_id;
  header.model = context_.model;
  header.layer = context_.layer;
  header.installed_placement_hash = context_.installed_placement_hash;
  header.planned_placement_hash = context_.planned_placement_hash;
  header.configuration_hash = configuration_.hash();
  header.weight_layout_hash = context_.weight_layout_hash;
}

absl::Status CheckedCommunicator::GatherHeaders(const CheckHeader& header,
                                                SteadyTime deadline) {
  const std::array<std::byte, CheckHeader::kNumBytes> mine = header.Serialize();
  EPLB_RETURN_IF_ERROR(communicator_->AllGather(
      {mine.data(), mine.size()},
      {gathered_bytes_.data(), gathered_bytes_.size()}, deadline));
  const AlikeHeaderReader reader(header, mine);
  headers_are_alike_ = true;
  for (int rank = 0; rank < size(); ++rank) {
    const absl::Span<const std::byte> bytes =
        absl::MakeConstSpan(gathered_bytes_)
            .subspan(rank * CheckHeader::kNumBytes, CheckHeader::kNumBytes);
    if (reader.Read(bytes, header_of_rank_[rank])) continue;
    headers_are_alike_ = false;
    const absl::StatusOr<CheckHeader> parsed = CheckHeader::Parse(bytes);
    if (!parsed.ok()) {
      // The others may have received it whole, and go on.
      const absl::Status damaged = absl::DataLossError(
          absl::StrCat("from rank ", rank, ": ", parsed.status().message()));
      communicator_->Abort(damaged);
      return damaged;
    }
    header_of_rank_[rank] = *parsed;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HeaderDifference>>
CheckedCommunicator::FindDifferences(const ExchangeBatch* exchange,
                                     SteadyTime deadline) {
  std::vector<HeaderDifference> differences;
  if (!headers_are_alike_) differences = CompareHeaders(header_of_rank_);
  if (!AtSameOperation(differences)) return differences;
  for (HeaderDifference& difference : differences) {
    if (difference.field != CheckHeader::kConfigurationField) continue;
    EPLB_ASSIGN_OR_RETURN(difference.values,
                          DescribeConfigurationDifferences(
                              *communicator_, configuration_, deadline));
  }
  uint64_t pairing_sum = 0;
  for (const CheckHeader& header : header_of_rank_) {
    pairing_sum += header.pairing_sum;
  }
  if (pairing_sum != 0 && exchange != nullptr) {
    EPLB_ASSIGN_OR_RETURN(
        std::string unpaired,
        DescribeUnpairedMessages(
            rank(), size(),
            [&](ConstBuffer mine, Buffer all) {
              return communicator_->AllGather(mine, all, deadline);
            },
            exchange->sends, sends_by_destination_, exchange->receives,
            receives_by_source_));
    differences.push_back({.field = "messages",
                           .values = std::move(unpaired),
                           .is_about_operation = true});
  }
  return differences;
}

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
      [&] { return communicator_->AllReduceSum(values, deadline); });
}

absl::Status CheckedCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                            SteadyTime deadline) {
  return Call(
      Operation::kAllGather, deadline,
      [&](CheckHeader& header) {
        header.num_bytes = mine.num_bytes;
        return CheckAllGather(mine, all, rank(), size());
      },
      [&] { return communicator_->AllGather(mine, all, deadline); });
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
      [&] { return communicator_->Broadcast(data, root, deadline); });
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
      [&] { return communicator_->Exchange(sends, receives, deadline); },
      &exchange);
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
        EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                              communicator_->Clone(name, deadline));
        clone = std::make_unique<CheckedCommunicator>(std::move(communicator));
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
  communicator_->Abort(std::move(reason));
}

std::string CheckedCommunicator::ToString() const {
  return absl::StrCat("checked ", communicator_->ToString());
}

}  // namespace eplb
