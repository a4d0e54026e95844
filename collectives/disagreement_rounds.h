// What ranks that disagree tell each other once more, so that the error can
// name the details. All ranks have seen the same headers, so all come here.

#ifndef EPLB_COLLECTIVES_DISAGREEMENT_ROUNDS_H_
#define EPLB_COLLECTIVES_DISAGREEMENT_ROUNDS_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "collectives/exchange_pairing.h"
#include "eplb/core/clock.h"

namespace eplb {

// Gathers the configuration of every rank, in chunks of a fixed size, and
// describes the fields that differ.
absl::StatusOr<std::string> DescribeConfigurationDifferences(
    Communicator& communicator, const ConfigurationFields& own,
    SteadyTime deadline);

// Gathers what each rank sends to and receives from each other rank, and
// describes the pairs that do not fit. `gather` is an AllGather.
absl::StatusOr<std::string> DescribeUnpairedMessages(
    int rank, int num_ranks,
    absl::FunctionRef<absl::Status(ConstBuffer mine, Buffer all)> gather,
    absl::Span<const SendMessage> sends,
    const MessagesByPeer& sends_by_destination,
    absl::Span<const ReceiveMessage> receives,
    const MessagesByPeer& receives_by_source);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_DISAGREEMENT_ROUNDS_H_
