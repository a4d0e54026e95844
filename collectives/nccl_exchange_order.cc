#include "collectives/nccl_exchange_order.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/exchange_pairing.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

constexpr int kMessagesEachWay = kMaxNcclMessagesPerGroup / 2;

// Adds the messages of one pair from position `first`, at most `count`, and
// returns whether there are more.
template <typename Message>
bool AddMessages(absl::Span<const Message> messages,
                 absl::Span<const uint32_t> of_pair, size_t first, size_t count,
                 std::vector<Message>& to) {
  const size_t end = std::min(of_pair.size(), first + count);
  for (size_t i = first; i < end; ++i) {
    const Message& message = messages[of_pair[i]];
    if (message.buffer.num_bytes > 0) to.push_back(message);
  }
  return end < of_pair.size();
}

absl::Status AddLocalCopies(int rank, absl::Span<const SendMessage> sends,
                            absl::Span<const uint32_t> to_self,
                            absl::Span<const ReceiveMessage> receives,
                            absl::Span<const uint32_t> from_self,
                            std::vector<LocalCopy>& copies) {
  if (to_self.size() != from_self.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank, " sends ", to_self.size(),
                     " messages to itself and receives ", from_self.size()));
  }
  for (size_t i = 0; i < to_self.size(); ++i) {
    const ConstBuffer& from = sends[to_self[i]].buffer;
    const Buffer& to = receives[from_self[i]].buffer;
    if (from.num_bytes != to.num_bytes) {
      return absl::FailedPreconditionError(absl::StrCat(
          "message ", i, " of rank ", rank, " to itself is sent with ",
          from.num_bytes, " bytes and received with ", to.num_bytes));
    }
    if (from.num_bytes == 0) continue;
    copies.push_back({from.data, to.data, from.num_bytes});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NcclExchangeOrder> OrderForNccl(
    int rank, int num_ranks, absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives) {
  MessagesByPeer by_destination;
  MessagesByPeer by_source;
  EPLB_RETURN_IF_ERROR(by_destination.BuildFromSends(sends, num_ranks));
  EPLB_RETURN_IF_ERROR(by_source.BuildFromReceives(receives, num_ranks));
  NcclExchangeOrder order;
  EPLB_RETURN_IF_ERROR(
      AddLocalCopies(rank, sends, by_destination.WithPeer(rank), receives,
                     by_source.WithPeer(rank), order.local_copies));
  // Depend on num_ranks alone, as the order must be the same on all ranks.
  const int num_distances =
      std::max(1, std::min(num_ranks - 1, kMessagesEachWay));
  const size_t per_pair = kMessagesEachWay / num_distances;
  for (int nearest = 1; nearest < num_ranks; nearest += num_distances) {
    const int end = std::min(num_ranks, nearest + num_distances);
    bool has_more = true;
    for (size_t first = 0; has_more; first += per_pair) {
      has_more = false;
      NcclMessageGroup group;
      for (int distance = nearest; distance < end; ++distance) {
        const int to = (rank + distance) % num_ranks;
        const int from = (rank + num_ranks - distance) % num_ranks;
        has_more |= AddMessages(sends, by_destination.WithPeer(to), first,
                                per_pair, group.sends);
        has_more |= AddMessages(receives, by_source.WithPeer(from), first,
                                per_pair, group.receives);
      }
      if (!group.sends.empty() || !group.receives.empty()) {
        order.groups.push_back(std::move(group));
      }
    }
  }
  return order;
}

}  // namespace eplb
