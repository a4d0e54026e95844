// TokenDispatch: takes tokens to the ranks that hold their experts' slots, has
// the experts work on them there, and brings the outputs back.
//
//   TokenDispatch dispatch(communicator, slots_per_rank);
//   EPLB_RETURN_IF_ERROR(dispatch.Forward(
//       tokens, [&](const DispatchedToken& token) { return Compute(token); },
//       absl::MakeSpan(outputs), deadline));
//   dispatch.rank_loads();  // Tokens that each rank worked on.

#ifndef EPLB_TOOLS_RUN_TOKEN_DISPATCH_H_
#define EPLB_TOOLS_RUN_TOKEN_DISPATCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "tools/run/expert_computation.h"

namespace eplb {

// What travels. Ranks of one run are machines of one byte order.
struct DispatchedToken {
  uint64_t token = 0;
  int32_t slot = 0;  // Of the group.
  int32_t padding = 0;
  Activation input = {};
};

// Thread-compatible.
class TokenDispatch {
 public:
  // `communicator` outlives it.
  TokenDispatch(Communicator& communicator, int slots_per_rank);

  // All ranks call. `expert` is called for every token that comes to a slot of
  // this rank, and outputs[i] becomes what it gave for tokens[i]. Internal when
  // a token comes whose slot is another rank's, DataLoss when a rank announces
  // what cannot be.
  absl::Status Forward(
      absl::Span<const DispatchedToken> tokens,
      absl::FunctionRef<Activation(const DispatchedToken&)> expert,
      absl::Span<Activation> outputs, SteadyTime deadline);

  // Of the last Forward, the same on all ranks.
  absl::Span<const int64_t> rank_loads() const { return rank_loads_; }

 private:
  absl::Status ExchangeCounts(SteadyTime deadline);
  // Tokens in the order of their destinations.
  void SortByDestination(absl::Span<const DispatchedToken> tokens);
  absl::Status CheckCounts() const;
  // To each rank its part of `out`, in rank order, and from each its part of
  // `in`: tokens as they were counted, or as many outputs the other way.
  template <typename Item>
  absl::Status ExchangeParts(absl::Span<const Item> out, absl::Span<Item> in,
                             bool returning, SteadyTime deadline);

  Communicator& communicator_;
  const int slots_per_rank_;
  std::vector<int64_t> rank_loads_;

  // Kept from call to call for their memory. counts_ has a row for each source
  // and a column for each destination.
  std::vector<int64_t> counts_;
  std::vector<size_t> place_of_token_;
  std::vector<DispatchedToken> sent_;
  std::vector<DispatchedToken> received_;
  std::vector<Activation> computed_;
  std::vector<Activation> returned_;
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_TOKEN_DISPATCH_H_
