#include "collectives/gloo_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/memory/memory.h"
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
#include "collectives/gloo_transport.h"
#include "collectives/little_endian.h"
#include "collectives/operation.h"
#include "collectives/rendezvous/peer_mesh.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// How long the cause may come after the symptom: a rank says why it gives up
// before it closes its connections.
constexpr auto kCauseFollowsWithin = std::chrono::milliseconds(500);

void AppendWord(uint64_t value, std::string& bytes) {
  std::byte stored[8];
  StoreLittleEndian(value, 8, stored);
  bytes.append(reinterpret_cast<const char*>(stored), 8);
}

uint64_t TakeWord(absl::string_view& bytes) {
  const uint64_t value =
      LoadLittleEndian(reinterpret_cast<const std::byte*>(bytes.data()), 8);
  bytes.remove_prefix(8);
  return value;
}

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

// On the wire: operation, bytes, root, pairing sum and bytes of the name as
// words of 8 bytes; the name; the payload.
struct GlooCommunicator::Opening {
  CallDescription call;
  uint64_t pairing_sum = 0;
  std::string payload = {};

  std::string Encode() const {
    std::string bytes;
    AppendWord(static_cast<uint64_t>(call.operation), bytes);
    AppendWord(call.num_bytes, bytes);
    AppendWord(call.root, bytes);
    AppendWord(pairing_sum, bytes);
    AppendWord(call.clone_name.size(), bytes);
    return absl::StrCat(bytes, call.clone_name, payload);
  }

  static std::optional<Opening> Decode(absl::string_view bytes) {
    if (bytes.size() < 5 * 8) return std::nullopt;
    Opening opening;
    opening.call.operation = static_cast<Operation>(TakeWord(bytes));
    opening.call.num_bytes = TakeWord(bytes);
    opening.call.root = static_cast<int>(TakeWord(bytes));
    opening.pairing_sum = TakeWord(bytes);
    const uint64_t name_bytes = TakeWord(bytes);
    if (name_bytes > bytes.size()) return std::nullopt;
    opening.call.clone_name = std::string(bytes.substr(0, name_bytes));
    opening.payload = std::string(bytes.substr(name_bytes));
    return opening;
  }
};

absl::StatusOr<std::unique_ptr<GlooCommunicator>> GlooCommunicator::Connect(
    std::string name, const PeerGroup& group, const GlooEndpoint& endpoint,
    const Socket& listener, absl::Span<const std::string> address_of_rank,
    Clock& clock, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(std::vector<Socket> peers,
                        ConnectPeerMesh(group, listener, address_of_rank, clock,
                                        deadline, *endpoint.strangers));
  auto communicator = absl::WrapUnique(new GlooCommunicator(
      group, endpoint,
      std::make_unique<ControlChannel>(std::move(name), group.rank,
                                       std::move(peers), clock),
      clock));
  EPLB_RETURN_IF_ERROR(communicator->OpenTransport(deadline));
  return communicator;
}

GlooCommunicator::GlooCommunicator(PeerGroup group, GlooEndpoint endpoint,
                                   std::unique_ptr<ControlChannel> channel,
                                   Clock& clock)
    : group_(std::move(group)),
      endpoint_(std::move(endpoint)),
      clock_(clock),
      channel_(std::move(channel)) {}

GlooCommunicator::~GlooCommunicator() {
  const absl::Status reason = absl::CancelledError(
      absl::StrCat(ToString(), ": destroyed during the call"));
  gate_.Poison(reason);
  channel_->Fail(reason, absl::UnavailableError(
                             absl::StrCat(channel_->name(), ": has left")));
  gate_.WaitUntilIdle();
}

absl::Status GlooCommunicator::OpenTransport(SteadyTime deadline) {
  if (size() == 1) return absl::OkStatus();
  channel_->BeginCall();
  absl::Status status = ConnectTransport(deadline);
  if (status.ok()) {
    channel_->FinishCall();
    return status;
  }
  status = CauseOf(status, deadline);
  channel_->Fail(status, status);
  return status;
}

absl::Status GlooCommunicator::ConnectTransport(SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(transport_,
                        GlooTransport::Create(endpoint_.device, rank(), size(),
                                              clock_, deadline));
  channel_->SetInterrupt([this] { transport_->Interrupt(); });
  // Each rank has an address for each other rank; all of one length.
  std::string mine;
  size_t address_bytes = 0;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    address_bytes = transport_->AddressFor(peer).size();
  }
  for (int peer = 0; peer < size(); ++peer) {
    std::string address = peer == rank() ? "" : transport_->AddressFor(peer);
    address.resize(address_bytes);
    mine += address;
  }
  EPLB_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        channel_->Gather(mine, deadline));
  std::vector<std::string> addresses(size());
  for (int peer = 0; peer < size(); ++peer) {
    if (all[peer].size() != mine.size()) {
      return absl::DataLossError(absl::StrCat(
          "rank ", peer, " sends ", all[peer].size(), " bytes of addresses; ",
          mine.size(), " were to come: it has another version of Gloo"));
    }
    addresses[peer] = all[peer].substr(rank() * address_bytes, address_bytes);
  }
  EPLB_RETURN_IF_ERROR(transport_->Connect(addresses, deadline));
  return channel_->Gather("", deadline).status();
}

absl::Status GlooCommunicator::Call(Operation operation, SteadyTime deadline,
                                    absl::FunctionRef<absl::Status()> body) {
  const absl::string_view name = OperationName(operation);
  const absl::Status entered = gate_.Enter(name);
  if (!entered.ok()) {
    // Poisons where a second thread is at fault; otherwise it already is.
    if (gate_.first_error().ok()) Abort(entered);
    return entered;
  }
  channel_->BeginCall();
  absl::Status result;
  if (clock_.Now() >= deadline) {
    result = absl::DeadlineExceededError("the deadline has passed before");
  } else {
    result = body();
  }
  if (result.ok() && clock_.Now() >= deadline) {
    result = absl::DeadlineExceededError("completed after the deadline");
  }
  if (result.ok()) {
    channel_->FinishCall();
    return gate_.Leave(result);
  }
  result = CauseOf(result, deadline);
  result = absl::Status(
      result.code(),
      absl::StrCat(name, " on ", channel_->name(), ": ", result.message()));
  channel_->Fail(result, result);
  if (transport_ != nullptr) transport_->Close();
  return gate_.Leave(result);
}

absl::Status GlooCommunicator::CauseOf(const absl::Status& status,
                                       SteadyTime deadline) {
  const bool is_symptom =
      absl::IsUnavailable(status) || absl::IsCancelled(status);
  const absl::Status cause =
      is_symptom ? channel_->WaitForFailure(
                       std::min(deadline, clock_.Now() + kCauseFollowsWithin))
                 : absl::OkStatus();
  return cause.ok() ? status : cause;
}

absl::StatusOr<std::vector<GlooCommunicator::Opening>> GlooCommunicator::Open(
    const Opening& mine, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        channel_->Gather(mine.Encode(), deadline));
  std::vector<Opening> openings(all.size());
  for (int peer = 0; peer < size(); ++peer) {
    std::optional<Opening> opening = Opening::Decode(all[peer]);
    if (!opening.has_value()) {
      return absl::DataLossError(
          absl::StrCat("rank ", peer, " opens a call with ", all[peer].size(),
                       " bytes that have no meaning"));
    }
    openings[peer] = *std::move(opening);
  }
  EPLB_RETURN_IF_ERROR(CompareDescriptions(
      size(),
      [&](int peer) -> const CallDescription& { return openings[peer].call; }));
  return openings;
}

absl::Status GlooCommunicator::Barrier(SteadyTime deadline) {
  return Call(Operation::kBarrier, deadline, [&] {
    return Open({.call = {.operation = Operation::kBarrier}}, deadline)
        .status();
  });
}

absl::Status GlooCommunicator::AllGather(ConstBuffer mine, Buffer all,
                                         SteadyTime deadline) {
  return Call(Operation::kAllGather, deadline, [&]() -> absl::Status {
    EPLB_RETURN_IF_ERROR(CheckAllGather(mine, all, rank(), size()));
    EPLB_RETURN_IF_ERROR(CheckOnHost(mine.space));
    EPLB_RETURN_IF_ERROR(CheckOnHost(all.space));
    const size_t num_bytes = mine.num_bytes;
    const bool is_inline = num_bytes <= kInlineBytes;
    Opening opening{
        .call = {.operation = Operation::kAllGather, .num_bytes = num_bytes}};
    if (is_inline) {
      opening.payload = std::string(BytesOf(mine.data, num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<Opening> openings,
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
    Opening opening{.call = {.operation = Operation::kBroadcast,
                             .num_bytes = data.num_bytes,
                             .root = root}};
    if (is_inline && rank() == root) {
      opening.payload = std::string(BytesOf(data.data, data.num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<Opening> openings,
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
    Opening opening{.call = {.operation = Operation::kAllReduceSum,
                             .num_bytes = num_bytes}};
    if (is_inline) {
      opening.payload = std::string(BytesOf(values.data(), num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(const std::vector<Opening> openings,
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
    EPLB_ASSIGN_OR_RETURN(const std::vector<Opening> openings,
                          Open({.call = {.operation = Operation::kExchange},
                                .pairing_sum = pairing_sum},
                               deadline));
    EPLB_RETURN_IF_ERROR(CheckPairing(openings, sends, receives, deadline));
    CopyToSelf(sends, receives);
    if (size() == 1) return absl::OkStatus();
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
    return transport_->Transfer(out, in, deadline);
  });
}

absl::Status GlooCommunicator::CheckPairing(
    const std::vector<Opening>& openings, absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, SteadyTime deadline) {
  uint64_t sum = 0;
  for (const Opening& opening : openings) sum += opening.pairing_sum;
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

absl::StatusOr<std::unique_ptr<Communicator>> GlooCommunicator::Clone(
    absl::string_view name, SteadyTime deadline) {
  std::unique_ptr<Communicator> clone;
  EPLB_RETURN_IF_ERROR(Call(Operation::kClone, deadline, [&]() -> absl::Status {
    if (!clone_names_.insert(std::string(name)).second) {
      return absl::AlreadyExistsError(
          absl::StrCat("a clone named \"", name, "\" was made before"));
    }
    EPLB_ASSIGN_OR_RETURN(const Socket listener,
                          ListenOn(endpoint_.bind_address));
    EPLB_ASSIGN_OR_RETURN(const int port, LocalPort(listener));
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<Opening> openings,
        Open({.call = {.operation = Operation::kClone,
                       .clone_name = std::string(name)},
              .payload = JoinHostPort(endpoint_.device.listen_address, port)},
             deadline));
    std::vector<std::string> addresses;
    for (const Opening& opening : openings) {
      addresses.push_back(opening.payload);
    }
    PeerGroup group = group_;
    absl::StrAppend(&group.name, "/", name);
    EPLB_ASSIGN_OR_RETURN(
        clone,
        Connect(absl::StrCat(channel_->name(), ", clone \"", name, "\""), group,
                endpoint_, listener, addresses, clock_, deadline));
    return absl::OkStatus();
  }));
  return clone;
}

void GlooCommunicator::Abort(absl::Status reason) {
  reason = AbortReason(std::move(reason));
  gate_.Poison(reason);
  channel_->Fail(reason, reason);
}

std::string GlooCommunicator::ToString() const {
  return absl::StrCat(channel_->name(), ", rank ", rank(), " of ", size());
}

}  // namespace eplb
