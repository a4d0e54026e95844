// GlooCommunicator: one rank's end of a group of processes. Made by the factory
// of collectives/gloo.h.
//
// Each call begins with a round over the control channel, in which the ranks
// compare what they call and exchange small payloads; what is larger goes over
// Gloo, in sizes that the round has made sure of.

#ifndef EPLB_COLLECTIVES_GLOO_COMMUNICATOR_H_
#define EPLB_COLLECTIVES_GLOO_COMMUNICATOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_description.h"
#include "collectives/call_gate.h"
#include "collectives/communicator.h"
#include "collectives/control_channel.h"
#include "collectives/exchange_pairing.h"
#include "collectives/gloo_device.h"
#include "collectives/gloo_opening.h"
#include "collectives/gloo_transport.h"
#include "collectives/operation.h"
#include "collectives/rendezvous/peer_mesh.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"

namespace eplb {

// What a communicator and its clones have in common.
struct GlooEndpoint {
  std::string bind_address;  // Of the control channel.
  GlooDeviceOptions device;  // Its address is what the others are told.
  // Connections that were dropped because they were no rank of the job.
  std::shared_ptr<std::atomic<int64_t>> strangers;
};

class GlooCommunicator final : public Communicator {
 public:
  // A payload up to this size travels in the round itself.
  static constexpr size_t kInlineBytes = 4096;

  // Meets the other ranks at `address_of_rank`, where each listens with its
  // `listener`. `name` is for people.
  static absl::StatusOr<std::unique_ptr<GlooCommunicator>> Connect(
      std::string name, const PeerGroup& group, const GlooEndpoint& endpoint,
      const Socket& listener, absl::Span<const std::string> address_of_rank,
      Clock& clock, SteadyTime deadline);

  ~GlooCommunicator() override;

  int rank() const override { return group_.rank; }
  int size() const override { return group_.num_ranks; }

  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override;
  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override;
  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override;
  absl::Status Barrier(SteadyTime deadline) override;
  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override;
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override;
  void Abort(absl::Status reason) override;
  // Those that the round which opens the call waits for.
  std::vector<int> AwaitedRanks() const override {
    return channel_->AwaitedRanks();
  }
  std::string ToString() const override;

 private:
  GlooCommunicator(PeerGroup group, GlooEndpoint endpoint,
                   std::unique_ptr<ControlChannel> channel, Clock& clock);

  // As Connect, but for the transport. Waits by `meeting_clock`; the channel is
  // of `clock`.
  static absl::StatusOr<std::unique_ptr<GlooCommunicator>> Meet(
      std::string name, const PeerGroup& group, const GlooEndpoint& endpoint,
      const Socket& listener, absl::Span<const std::string> address_of_rank,
      Clock& meeting_clock, Clock& clock, SteadyTime deadline);

  // Opens the transport, after the control channel.
  absl::Status OpenTransport(SteadyTime deadline);
  absl::Status ConnectTransport(SteadyTime deadline);
  absl::StatusOr<std::unique_ptr<GlooCommunicator>> ConnectClone(
      absl::string_view name, const Socket& listener,
      absl::Span<const std::string> address_of_rank, SteadyTime deadline);
  // A failure of the control channel ends the transport's calls, and those of
  // `clone` where it is not null. Nothing is left of one that was named before.
  void InterruptOnFailure(GlooCommunicator* clone);

  // Runs `body` as a call through the gate; its error reaches all ranks.
  absl::Status Call(Operation operation, SteadyTime deadline,
                    absl::FunctionRef<absl::Status()> body);
  // The reason behind `status`, where a rank has given one.
  absl::Status CauseOf(const absl::Status& status, SteadyTime deadline);

  // Tells all ranks `mine` and returns theirs, when all describe one call.
  absl::StatusOr<std::vector<GlooOpening>> Open(const GlooOpening& mine,
                                                SteadyTime deadline);
  absl::Status CheckPairing(const std::vector<GlooOpening>& openings,
                            absl::Span<const SendMessage> sends,
                            absl::Span<const ReceiveMessage> receives,
                            SteadyTime deadline);
  absl::Status SumLarge(absl::Span<int64_t> values, SteadyTime deadline);
  void CopyToSelf(absl::Span<const SendMessage> sends,
                  absl::Span<const ReceiveMessage> receives) const;

  const PeerGroup group_;
  const GlooEndpoint endpoint_;
  Clock& clock_;
  CallGate gate_;
  std::unique_ptr<GlooTransport> transport_;  // Null for one rank.
  // After what it interrupts, so that it ends before.
  const std::unique_ptr<ControlChannel> channel_;

  // Only touched inside a call.
  std::set<std::string> clone_names_;
  MessagesByPeer sends_by_destination_;
  MessagesByPeer receives_by_source_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_COMMUNICATOR_H_
