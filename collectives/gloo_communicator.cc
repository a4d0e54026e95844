#include "collectives/gloo_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_description.h"
#include "collectives/communicator.h"
#include "collectives/control_channel.h"
#include "collectives/gloo_opening.h"
#include "collectives/gloo_transport.h"
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

// Says that it is past `deadline` once `channel` has failed, so that what waits
// by it ends.
class ClockUntilFailure final : public Clock {
 public:
  ClockUntilFailure(Clock& clock, const ControlChannel& channel,
                    SteadyTime deadline)
      : clock_(clock), channel_(channel), deadline_(deadline) {}

  SteadyTime Now() const override {
    const SteadyTime now = clock_.Now();
    return channel_.failure().ok() ? now : std::max(now, deadline_);
  }
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return clock_.WaitUntil(changed, mutex, deadline);
  }

 private:
  Clock& clock_;
  const ControlChannel& channel_;
  const SteadyTime deadline_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GlooCommunicator>> GlooCommunicator::Connect(
    std::string name, const PeerGroup& group, const GlooEndpoint& endpoint,
    const Socket& listener, absl::Span<const std::string> address_of_rank,
    Clock& clock, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<GlooCommunicator> communicator,
                        Meet(std::move(name), group, endpoint, listener,
                             address_of_rank, clock, clock, deadline));
  EPLB_RETURN_IF_ERROR(communicator->OpenTransport(deadline));
  return communicator;
}

absl::StatusOr<std::unique_ptr<GlooCommunicator>> GlooCommunicator::Meet(
    std::string name, const PeerGroup& group, const GlooEndpoint& endpoint,
    const Socket& listener, absl::Span<const std::string> address_of_rank,
    Clock& meeting_clock, Clock& clock, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(
      std::vector<Socket> peers,
      ConnectPeerMesh(group, listener, address_of_rank, meeting_clock, deadline,
                      *endpoint.strangers));
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<ControlChannel> channel,
                        ControlChannel::Create(std::move(name), group.rank,
                                               std::move(peers), clock));
  return absl::WrapUnique(
      new GlooCommunicator(group, endpoint, std::move(channel), clock));
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
  InterruptOnFailure(/*clone=*/nullptr);
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

void GlooCommunicator::InterruptOnFailure(GlooCommunicator* clone) {
  channel_->SetInterrupt([this, clone](const absl::Status& failure) {
    if (transport_ != nullptr) transport_->Interrupt();
    if (clone != nullptr) clone->channel_->Fail(failure, failure);
  });
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

absl::StatusOr<std::vector<GlooOpening>> GlooCommunicator::Open(
    const GlooOpening& mine, SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        channel_->Gather(mine.Encode(), deadline));
  std::vector<GlooOpening> openings(all.size());
  for (int peer = 0; peer < size(); ++peer) {
    std::optional<GlooOpening> opening = GlooOpening::Decode(all[peer]);
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
        const std::vector<GlooOpening> openings,
        Open({.call = {.operation = Operation::kClone,
                       .clone_name = std::string(name)},
              .payload = JoinHostPort(endpoint_.device.listen_address, port)},
             deadline));
    std::vector<std::string> addresses;
    for (const GlooOpening& opening : openings) {
      addresses.push_back(opening.payload);
    }
    auto connected = ConnectClone(name, listener, addresses, deadline);
    if (connected.ok()) {
      clone = *std::move(connected);
      return absl::OkStatus();
    }
    const absl::Status cause = channel_->failure();
    return cause.ok() ? connected.status() : cause;
  }));
  return clone;
}

absl::StatusOr<std::unique_ptr<GlooCommunicator>>
GlooCommunicator::ConnectClone(absl::string_view name, const Socket& listener,
                               absl::Span<const std::string> address_of_rank,
                               SteadyTime deadline) {
  PeerGroup group = group_;
  absl::StrAppend(&group.name, "/", name);
  ClockUntilFailure meeting_clock(clock_, *channel_, deadline);
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<GlooCommunicator> clone,
      Meet(absl::StrCat(channel_->name(), ", clone \"", name, "\""), group,
           endpoint_, listener, address_of_rank, meeting_clock, clock_,
           deadline));
  InterruptOnFailure(clone.get());
  const absl::Status opened = clone->OpenTransport(deadline);
  InterruptOnFailure(/*clone=*/nullptr);
  EPLB_RETURN_IF_ERROR(opened);
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
