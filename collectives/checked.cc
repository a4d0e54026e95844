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
#include "collectives/check_header.h"
#include "collectives/communicator.h"
#include "collectives/disagreement_rounds.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

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
    : CheckedCommunicator(std::move(communicator), nullptr) {}

CheckedCommunicator::CheckedCommunicator(std::unique_ptr<Communicator> data,
                                         std::unique_ptr<Communicator> control)
    : data_(std::move(data)),
      control_(std::move(control)),
      header_of_rank_(data_->size()),
      gathered_bytes_(data_->size() * CheckHeader::kNumBytes) {}

CheckedCommunicator::~CheckedCommunicator() {
  gate_.Poison(absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call")));
  if (!gate_.has_pending_call()) return;
  AbortChannels(
      absl::UnavailableError(absl::StrCat("rank ", rank(), " has left")));
  gate_.WaitUntilIdle();
}

void CheckedCommunicator::AbortChannels(const absl::Status& reason) {
  data_->Abort(reason);
  if (control_ != nullptr) control_->Abort(reason);
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
  if (!data_failure_.ok() && operation != Operation::kAgree) {
    // The others may wait for this rank's header.
    control().Abort(data_failure_);
    return gate_.LeaveUsable(
        AfterEarlierError(OperationName(operation), data_failure_));
  }
  CheckHeader header;
  header.operation = operation;
  absl::Status result = prepare(header);
  if (!result.ok()) {
    // Not by a header: this rank has nothing to compare.
    AbortChannels(result);
    return gate_.Leave(result);
  }
  CompleteHeader(header);
  const auto differences = FindDifferences(header, exchange, deadline);
  if (!differences.ok()) {
    // The others may have all headers, and wait for this rank's payload.
    if (control_ != nullptr) data_->Abort(differences.status());
    return gate_.Leave(differences.status());
  }
  if (differences->empty()) return LeaveBody(body());
  result = DisagreementError(operation, *differences);
  return AtSameOperation(*differences) ? gate_.LeaveUsable(result)
                                       : gate_.Leave(result);
}

absl::Status CheckedCommunicator::LeaveBody(absl::Status result) {
  if (result.ok() || control_ == nullptr) return gate_.Leave(result);
  data_failure_ = result;
  return gate_.LeaveUsable(result);
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
  EPLB_RETURN_IF_ERROR(control().AllGather(
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
      control().Abort(damaged);
      return damaged;
    }
    header_of_rank_[rank] = *parsed;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HeaderDifference>>
CheckedCommunicator::FindDifferences(const CheckHeader& header,
                                     const ExchangeBatch* exchange,
                                     SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(GatherHeaders(header, deadline));
  std::vector<HeaderDifference> differences;
  if (!headers_are_alike_) differences = CompareHeaders(header_of_rank_);
  if (!AtSameOperation(differences)) return differences;
  for (HeaderDifference& difference : differences) {
    if (difference.field != CheckHeader::kConfigurationField) continue;
    EPLB_ASSIGN_OR_RETURN(
        difference.values,
        DescribeConfigurationDifferences(control(), configuration_, deadline));
  }
  uint64_t pairing_sum = 0;
  for (const CheckHeader& of_rank : header_of_rank_) {
    pairing_sum += of_rank.pairing_sum;
  }
  if (pairing_sum != 0 && exchange != nullptr) {
    EPLB_ASSIGN_OR_RETURN(std::string unpaired,
                          DescribeUnpairedMessages(
                              rank(), size(),
                              [&](ConstBuffer mine, Buffer all) {
                                return control().AllGather(mine, all, deadline);
                              },
                              exchange->sends, sends_by_destination_,
                              exchange->receives, receives_by_source_));
    differences.push_back({.field = "messages",
                           .values = std::move(unpaired),
                           .is_about_operation = true});
  }
  return differences;
}

}  // namespace eplb
