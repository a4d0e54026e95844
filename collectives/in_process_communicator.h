// InProcessCommunicator: one rank's end of an InProcessChannel. Made by the
// factories of collectives/in_process.h.

#ifndef EPLB_COLLECTIVES_IN_PROCESS_COMMUNICATOR_H_
#define EPLB_COLLECTIVES_IN_PROCESS_COMMUNICATOR_H_

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
#include "collectives/call_gate.h"
#include "collectives/communicator.h"
#include "collectives/in_process_channel.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"

namespace eplb {

class InProcessCommunicator final : public Communicator {
 public:
  InProcessCommunicator(std::shared_ptr<InProcessChannel> channel, int rank);
  ~InProcessCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return channel_->num_ranks(); }

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
  std::vector<int> AwaitedRanks() const override {
    return channel_->AwaitedRanks(rank_);
  }
  std::string ToString() const override;

 private:
  // Runs `body` as a call through the gate; its error reaches all ranks.
  absl::Status Call(Operation operation,
                    absl::FunctionRef<absl::Status()> body);

  // `status`, its message led by where it happened.
  absl::Status InCall(Operation operation, const absl::Status& status) const;

  // The call that tells the others about `operation`, with empty contents.
  InProcessCall& BeginCall(Operation operation);
  const InProcessCall& CallOf(int peer) const;

  absl::Status SumInline(absl::Span<int64_t> values, InProcessCall& call,
                         SteadyTime deadline);
  absl::Status SumOwnShare(int64_t num_values, SteadyTime deadline) const;
  absl::Status CopyReceived(absl::Span<const ReceiveMessage> receives,
                            const MessagesByPeer& by_source,
                            SteadyTime deadline) const;

  const std::shared_ptr<InProcessChannel> channel_;
  const int rank_;
  CallGate gate_;
  std::set<std::string> clone_names_;  // Only touched inside a call.
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_IN_PROCESS_COMMUNICATOR_H_
