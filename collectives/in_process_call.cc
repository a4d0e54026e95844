#include "collectives/in_process_call.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "collectives/call_description.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// The first difference between what `source` sends to `destination` and what
// that receives; empty when there is none.
std::string DescribePair(int source, const InProcessCall& sender,
                         int destination, const InProcessCall& receiver) {
  const absl::Span<const uint32_t> sends =
      sender.sends_by_destination.WithPeer(destination);
  const absl::Span<const uint32_t> receives =
      receiver.receives_by_source.WithPeer(source);
  if (sends.size() != receives.size()) {
    return absl::StrCat("rank ", source, " sends ", sends.size(),
                        " messages to rank ", destination, ", which receives ",
                        receives.size());
  }
  for (size_t i = 0; i < sends.size(); ++i) {
    const size_t sent = sender.sends[sends[i]].buffer.num_bytes;
    const size_t expected = receiver.receives[receives[i]].buffer.num_bytes;
    if (sent != expected) {
      return absl::StrCat("message ", i, " from rank ", source, " to rank ",
                          destination, " has ", sent, " bytes, received as ",
                          expected);
    }
  }
  return "";
}

absl::Status UnpairedError(
    int num_ranks, absl::FunctionRef<const InProcessCall&(int rank)> call_of) {
  // More would not help the reader.
  constexpr size_t kMaxDifferences = 4;
  std::vector<std::string> differences;
  for (int source = 0; source < num_ranks; ++source) {
    for (int destination = 0; destination < num_ranks; ++destination) {
      std::string difference = DescribePair(source, call_of(source),
                                            destination, call_of(destination));
      if (difference.empty()) continue;
      if (differences.size() == kMaxDifferences) {
        differences.push_back("and more");
        destination = source = num_ranks;
      } else {
        differences.push_back(std::move(difference));
      }
    }
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the messages do not pair: ", absl::StrJoin(differences, "; ")));
}

}  // namespace

absl::Status CompareCalls(
    int num_ranks, absl::FunctionRef<const InProcessCall&(int rank)> call_of) {
  EPLB_RETURN_IF_ERROR(CompareDescriptions(
      num_ranks,
      [&](int rank) -> const CallDescription& { return call_of(rank); }));
  uint64_t pairing_sum = 0;
  for (int rank = 0; rank < num_ranks; ++rank) {
    pairing_sum += call_of(rank).pairing_sum;
  }
  if (call_of(0).operation == Operation::kExchange && pairing_sum != 0) {
    return UnpairedError(num_ranks, call_of);
  }
  return absl::OkStatus();
}

}  // namespace eplb
