#include "tools/run/token_dispatch.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "tools/run/expert_computation.h"

namespace eplb {
namespace {

// Of one rank, for another, in one layer: far beyond what a flag can ask for.
constexpr int64_t kMaxTokens = 1 << 24;

}  // namespace

static_assert(std::is_trivially_copyable_v<DispatchedToken>);
static_assert(std::has_unique_object_representations_v<DispatchedToken>,
              "no byte goes over the wire that nobody has set");

TokenDispatch::TokenDispatch(Communicator& communicator, int slots_per_rank)
    : communicator_(communicator),
      slots_per_rank_(slots_per_rank),
      rank_loads_(communicator.size()),
      counts_(static_cast<size_t>(communicator.size()) * communicator.size()) {}

absl::Status TokenDispatch::Forward(
    absl::Span<const DispatchedToken> tokens,
    absl::FunctionRef<Activation(const DispatchedToken&)> expert,
    absl::Span<Activation> outputs, SteadyTime deadline) {
  SortByDestination(tokens);
  EPLB_RETURN_IF_ERROR(ExchangeCounts(deadline));
  received_.resize(rank_loads_[communicator_.rank()]);
  EPLB_RETURN_IF_ERROR(ExchangeParts(absl::MakeConstSpan(sent_),
                                     absl::MakeSpan(received_),
                                     /*returning=*/false, deadline));
  computed_.clear();
  for (const DispatchedToken& token : received_) {
    if (token.slot / slots_per_rank_ != communicator_.rank()) {
      return absl::InternalError(absl::StrCat(
          "rank ", communicator_.rank(), ": a token came for slot ", token.slot,
          ", which is another rank's"));
    }
    computed_.push_back(expert(token));
  }
  returned_.resize(sent_.size());
  EPLB_RETURN_IF_ERROR(ExchangeParts(absl::MakeConstSpan(computed_),
                                     absl::MakeSpan(returned_),
                                     /*returning=*/true, deadline));
  for (size_t i = 0; i < tokens.size(); ++i) {
    outputs[i] = returned_[place_of_token_[i]];
  }
  return absl::OkStatus();
}

void TokenDispatch::SortByDestination(
    absl::Span<const DispatchedToken> tokens) {
  const int size = communicator_.size();
  std::vector<size_t> begin(size + 1);
  for (const DispatchedToken& token : tokens) {
    ++begin[token.slot / slots_per_rank_ + 1];
  }
  int64_t* const mine =
      &counts_[static_cast<size_t>(communicator_.rank()) * size];
  for (int rank = 0; rank < size; ++rank) {
    mine[rank] = static_cast<int64_t>(begin[rank + 1]);
    begin[rank + 1] += begin[rank];
  }
  sent_.resize(tokens.size());
  place_of_token_.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const size_t place = begin[tokens[i].slot / slots_per_rank_]++;
    place_of_token_[i] = place;
    sent_[place] = tokens[i];
  }
}

absl::Status TokenDispatch::ExchangeCounts(SteadyTime deadline) {
  const size_t size = rank_loads_.size();
  const size_t row_bytes = size * sizeof(int64_t);
  EPLB_RETURN_IF_ERROR(communicator_.AllGather(
      {&counts_[communicator_.rank() * size], row_bytes},
      {counts_.data(), size * row_bytes}, deadline));
  EPLB_RETURN_IF_ERROR(CheckCounts());
  for (size_t destination = 0; destination < size; ++destination) {
    rank_loads_[destination] = 0;
    for (size_t source = 0; source < size; ++source) {
      rank_loads_[destination] += counts_[source * size + destination];
    }
  }
  return absl::OkStatus();
}

absl::Status TokenDispatch::CheckCounts() const {
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] >= 0 && counts_[i] <= kMaxTokens) continue;
    return absl::DataLossError(
        absl::StrCat("rank ", i / rank_loads_.size(), " announced ", counts_[i],
                     " tokens; the limit is ", kMaxTokens));
  }
  return absl::OkStatus();
}

template <typename Item>
absl::Status TokenDispatch::ExchangeParts(absl::Span<const Item> out,
                                          absl::Span<Item> in, bool returning,
                                          SteadyTime deadline) {
  const int size = communicator_.size();
  const int me = communicator_.rank();
  sends_.clear();
  receives_.clear();
  for (int peer = 0; peer < size; ++peer) {
    size_t to_peer = counts_[me * size + peer];
    size_t from_peer = counts_[peer * size + me];
    if (returning) std::swap(to_peer, from_peer);
    if (to_peer > 0) {
      sends_.push_back({peer, {out.data(), to_peer * sizeof(Item)}});
    }
    if (from_peer > 0) {
      receives_.push_back({peer, {in.data(), from_peer * sizeof(Item)}});
    }
    out.remove_prefix(to_peer);
    in.remove_prefix(from_peer);
  }
  return communicator_.Exchange(sends_, receives_, deadline);
}

}  // namespace eplb
