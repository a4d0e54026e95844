// NcclCommunicator: the backend over NCCL. The real library comes with
// collectives/nccl.h; this header needs no toolkit, and runs on
// testing/fake_nccl.h as well.
//
//   NcclCommunicatorFactory factory(std::move(api), clock, {.device = 0},
//                                   std::move(control_factory));
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
//                         factory.Connect(epoch, members, deadline));
//
// Serves device and pinned host memory; the values of AllReduceSum lie anywhere
// on the host. Calls are not compared: talk through CheckedCommunicator. Every
// communicator has threads of its own: one that makes all calls of NCCL, and
// one that watches the other ranks over the control channel, so that a failure
// of one ends the calls of all. docs/collectives.md has the rest.

#ifndef EPLB_COLLECTIVES_NCCL_COMMUNICATOR_H_
#define EPLB_COLLECTIVES_NCCL_COMMUNICATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_gate.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner.h"
#include "collectives/operation.h"
#include "collectives/peer_watch.h"
#include "collectives/roll_call.h"
#include "eplb/core/clock.h"

namespace eplb {

class NcclCommunicator final : public Communicator {
 public:
  // Not connected: the first call is Connect. `control` joins the same ranks;
  // it serves host memory, and is this communicator's alone.
  NcclCommunicator(std::shared_ptr<NcclApi> api, Clock& clock,
                   NcclOwnerOptions options, std::string name,
                   std::unique_ptr<Communicator> control);
  ~NcclCommunicator() override;

  absl::Status Connect(SteadyTime deadline);

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }

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
  std::string ToString() const override;

 private:
  // Runs `body` as a call through the gate, unless `deadline` has passed. The
  // error of it is told to all ranks.
  absl::Status Call(absl::string_view operation, SteadyTime deadline,
                    absl::FunctionRef<absl::Status()> body);
  absl::Status Call(Operation operation, SteadyTime deadline,
                    absl::FunctionRef<absl::Status()> body) {
    return Call(OperationName(operation), deadline, body);
  }

  absl::Status MeetAndInit(SteadyTime deadline);
  absl::Status WatchPeers(SteadyTime deadline);
  // Sums pinned values of the owner, in place.
  absl::Status SumPinned(size_t num_values, SteadyTime deadline);
  // Makes `pinned_` large enough.
  absl::Status ReservePinned(size_t num_values, SteadyTime deadline);
  void TellOthers(const absl::Status& failure);
  // `failure`, a deadline's, with the ranks that had not called.
  absl::Status WithMissingRanks(const absl::Status& failure);

  const std::shared_ptr<NcclApi> api_;
  Clock& clock_;
  const NcclOwnerOptions options_;
  const std::string name_;
  const std::unique_ptr<Communicator> control_;
  CallGate gate_;
  NcclOwner owner_;

  // Only touched inside a call.
  std::set<std::string> clone_names_;
  int64_t* pinned_ = nullptr;  // The owner's.
  size_t num_pinned_ = 0;

  absl::Mutex mutex_;
  // Null before the ranks have met. Used by the thread of the watch.
  std::unique_ptr<RollCall> roll_call_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<PeerWatch> watch_ ABSL_GUARDED_BY(mutex_);
  // Being connected by a pending Clone, so that an abort reaches it.
  NcclCommunicator* pending_clone_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// A communicator of `epoch` over the ranks of `control`, which is its alone
// from here on and serves host memory.
absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    std::shared_ptr<NcclApi> api, Clock& clock, const NcclOwnerOptions& options,
    uint64_t epoch, std::unique_ptr<Communicator> control, SteadyTime deadline);

class NcclCommunicatorFactory final : public CommunicatorFactory {
 public:
  // Communicators of `control` join the same ranks for what the ranks say to
  // each other before and beside NCCL. `clock` outlives all that comes from
  // here.
  NcclCommunicatorFactory(std::shared_ptr<NcclApi> api, Clock& clock,
                          NcclOwnerOptions options,
                          std::unique_ptr<CommunicatorFactory> control);

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override;

 private:
  const std::shared_ptr<NcclApi> api_;
  Clock& clock_;
  const NcclOwnerOptions options_;
  const std::unique_ptr<CommunicatorFactory> control_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_COMMUNICATOR_H_
