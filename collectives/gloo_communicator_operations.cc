// The operations of GlooCommunicator that carry a payload.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/call_description.h"
#include "collectives/communicator.h"
#include "collectives/control_channel.h"
#include "collectives/disagreement_rounds.h"
#include "collectives/exchange_pairing.h"
#include "collectives/gloo_communicator.h"
#include "collectives/gloo_message.h"
#include "collectives/gloo_opening.h"
#include "collectives/gloo_transport.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::string_view BytesOf(const void* data, size_t num_bytes) {
  return absl::string_view(static_cast<const char*>(data), num_bytes);
}

void CopyBytes(void* to, const void* from, size_t num_bytes) {
  if (num_bytes > 0 && to != from) std::memcpy(to, from, num_bytes);
}

char* Mutable(const void* data) {
  // Gloo has one kind of buffer; it reads from this one.
  return static_cast<char*>(const_cast<void*>(data));
}

}  // namespace

absl::Status GlooCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                         SteadyTime deadline) {
  return Call(Operation::kAllGather, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckAllGather(mine, all, rank(), size()));
    EPLB_RETURN_IF_ERROR(CheckOnHost(mine.space));
    EPLB_RETURN_IF_ERROR(CheckOnHost(all.space));
    const size_t num_bytes = mine.num_bytes;
    const bool is_inline = num_bytes <= kInlineBytes;
    GlooOpening opening{
        .call = {.operation = Operation::kAllGather, .num_bytes = num_bytes}};
    if (is_inline) {
      opening.payload = std::string(BytesOf(mine.data, num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<GlooOpening> openings,
                          Open(opening, deadline));
    char* const to = static_cast<char*>(all.data);
    CopyBytes(to + rank() * num_bytes, mine.data, num_bytes);
    std::vector<GlooMessage> sends, receives;
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      if (!is_inline) {
        sends.push_back({peer, Mutable(mine.data), num_bytes});
        receives.push_back({peer, to + peer * num_bytes, num_bytes});
        continue;
      }
      if (openings[peer].payload.size() != num_bytes) {
        return absl::DataLossError(absl::StrCat(
            "rank ", peer, " sends ", openings[peer].payload.size(),
            " bytes in the place of ", num_bytes));
      }
      CopyBytes(to + peer * num_bytes, openings[peer].payload.data(),
                num_bytes);
    }
    if (sends.empty()) return absl::OkStatus();
    return transport_->Transfer(sends, receives, deadline);
  });
}

absl::Status GlooCommunicator::Broadcast(Buffer data, int root,
                                         SteadyTime deadline) {
  return Call(Operation::kBroadcast, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckBroadcast(data, root, size()));
    EPLB_RETURN_IF_ERROR(CheckOnHost(data.space));
    const bool is_inline = data.num_bytes <= kInlineBytes;
    GlooOpening opening{.call = {.operation = Operation::kBroadcast,
                                 .num_bytes = data.num_bytes,
                                 .root = root}};
    if (is_inline && rank() == root) {
      opening.payload = std::string(BytesOf(data.data, data.num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<GlooOpening> openings,
                          Open(opening, deadline));
    if (is_inline) {
      const std::string& payload = openings[root].payload;
      if (payload.size() != data.num_bytes) {
        return absl::DataLossError(
            absl::StrCat("rank ", root, " sends ", payload.size(),
                         " bytes in the place of ", data.num_bytes));
      }
      if (rank() != root) CopyBytes(data.data, payload.data(), payload.size());
      return absl::OkStatus();
    }
    std::vector<GlooMessage> sends, receives;
    char* const bytes = static_cast<char*>(data.data);
    for (int peer = 0; peer < size(); ++peer) {
      if (rank() == root && peer != root) {
        sends.push_back({peer, bytes, data.num_bytes});
      }
    }
    if (rank() != root) receives.push_back({root, bytes, data.num_bytes});
    if (size() == 1) return absl::OkStatus();
    return transport_->Transfer(sends, receives, deadline);
  });
}

absl::Status GlooCommunicator::AllReduceSum(absl::Span<int64_t> values,
                                            SteadyTime deadline) {
  return Call(Operation::kAllReduceSum, deadline, [&]() -> absl::Status {
    const size_t num_bytes = values.size() * sizeof(int64_t);
    const bool is_inline = num_bytes <= kInlineBytes;
    GlooOpening opening{.call = {.operation = Operation::kAllReduceSum,
                                 .num_bytes = num_bytes}};
    if (is_inline) {
      opening.payload = std::string(BytesOf(values.data(), num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<GlooOpening> openings,
                          Open(opening, deadline));
    if (size() == 1) return absl::OkStatus();
    if (!is_inline) return SumLarge(values, deadline);
    // Unsigned, for sums that wrap instead of being undefined.
    std::vector<uint64_t> sums(values.size());
    for (int peer = 0; peer < size(); ++peer) {
      const std::string& payload = openings[peer].payload;
      if (payload.size() != num_bytes) {
        return absl::DataLossError(
            absl::StrCat("rank ", peer, " sends ", payload.size(),
                         " bytes in the place of ", num_bytes));
      }
      for (size_t i = 0; i < sums.size(); ++i) {
        uint64_t value;
        std::memcpy(&value, &payload[i * sizeof(value)], sizeof(value));
        sums[i] += value;
      }
    }
    CopyBytes(values.data(), sums.data(), num_bytes);
    return absl::OkStatus();
  });
}

// Each rank sums a share of the values over all ranks, and tells the others.
absl::Status GlooCommunicator::SumLarge(absl::Span<int64_t> values,
                                        SteadyTime deadline) {
  const auto begin_of = [&](int peer) { return values.size() * peer / size(); };
  const auto share_of = [&](int peer) {
    return values.subspan(begin_of(peer), begin_of(peer + 1) - begin_of(peer));
  };
  const auto message = [](int peer, absl::Span<int64_t> share) {
    return GlooMessage{peer, reinterpret_cast<char*>(share.data()),
                       share.size() * sizeof(int64_t)};
  };
  const absl::Span<int64_t> own = share_of(rank());
  std::vector<int64_t> received(own.size() * size());
  std::vector<GlooMessage> sends, receives;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    sends.push_back(message(peer, share_of(peer)));
    receives.push_back(message(
        peer, absl::MakeSpan(received).subspan(peer * own.size(), own.size())));
  }
  EPLB_RETURN_IF_ERROR(transport_->Transfer(sends, receives, deadline));
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    for (size_t i = 0; i < own.size(); ++i) {
      own[i] = static_cast<int64_t>(
          static_cast<uint64_t>(own[i]) +
          static_cast<uint64_t>(received[peer * own.size() + i]));
    }
  }
  sends.clear();
  receives.clear();
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    sends.push_back(message(peer, own));
    receives.push_back(message(peer, share_of(peer)));
  }
  return transport_->Transfer(sends, receives, deadline);
}

absl::Status GlooCommunicator::Exchange(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  return Call(Operation::kExchange, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckExchange(sends, receives));
    EPLB_RETURN_IF_ERROR(CheckOnHost(sends, receives));
    EPLB_RETURN_IF_ERROR(sends_by_destination_.BuildFromSends(sends, size()));
    EPLB_RETURN_IF_ERROR(
        receives_by_source_.BuildFromReceives(receives, size()));
    const uint64_t pairing_sum =
        SendPairingSum(rank(), size(), sends, sends_by_destination_) -
        ReceivePairingSum(rank(), size(), receives, receives_by_source_);
    std::vector<GlooMessage> out, in;
    for (const SendMessage& message : sends) {
      if (message.destination == rank()) continue;
      out.push_back({message.destination, Mutable(message.buffer.data),
                     message.buffer.num_bytes});
    }
    for (const ReceiveMessage& message : receives) {
      if (message.source == rank()) continue;
      in.push_back({message.source, static_cast<char*>(message.buffer.data),
                    message.buffer.num_bytes});
    }
    // Nobody sends before all have agreed, and where they do not, Call closes
    // the transport.
    if (size() > 1) EPLB_RETURN_IF_ERROR(transport_->Expect(in));
    EPLB_ASSIGN_OR_RETURN(const std::vector<GlooOpening> openings,
                          Open({.call = {.operation = Operation::kExchange},
                                .pairing_sum = pairing_sum},
                               deadline));
    EPLB_RETURN_IF_ERROR(CheckPairing(openings, sends, receives, deadline));
    CopyToSelf(sends, receives);
    if (size() == 1) return absl::OkStatus();
    return transport_->Transfer(out, in, deadline);
  });
}

absl::Status GlooCommunicator::CheckPairing(
    const std::vector<GlooOpening>& openings,
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  uint64_t sum = 0;
  for (const GlooOpening& opening : openings) sum += opening.pairing_sum;
  if (sum == 0) return absl::OkStatus();
  // All ranks have come to the same sum, so all take part in a second round.
  const auto gather = [&](ConstBuffer mine, Buffer all) -> absl::Status {
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<std::string> rows,
        channel_->Gather(BytesOf(mine.data, mine.num_bytes), deadline));
    char* to = static_cast<char*>(all.data);
    for (int peer = 0; peer < size(); ++peer, to += mine.num_bytes) {
      if (rows[peer].size() != mine.num_bytes) {
        return absl::DataLossError(
            absl::StrCat("rank ", peer, " describes other messages"));
      }
      CopyBytes(to, rows[peer].data(), mine.num_bytes);
    }
    return absl::OkStatus();
  };
  EPLB_ASSIGN_OR_RETURN(
      const std::string unpaired,
      DescribeUnpairedMessages(rank(), size(), gather, sends,
                               sends_by_destination_, receives,
                               receives_by_source_));
  return absl::FailedPreconditionError(
      absl::StrCat("the messages do not pair: ", unpaired));
}

void GlooCommunicator::CopyToSelf(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives) const {
  const absl::Span<const uint32_t> from =
      sends_by_destination_.WithPeer(rank());
  const absl::Span<const uint32_t> to = receives_by_source_.WithPeer(rank());
  for (size_t i = 0; i < std::min(from.size(), to.size()); ++i) {
    const ConstBuffer& sent = sends[from[i]].buffer;
    const Buffer& received = receives[to[i]].buffer;
    CopyBytes(received.data, sent.data,
              std::min(sent.num_bytes, received.num_bytes));
  }
}

}  // namespace eplb
