// CheckedCommunicator: a decorator under which ranks compare what they are
// about to do, and what they hold, before every operation.
//
//   CheckedCommunicator checked(std::move(communicator));
//   checked.context().epoch = epoch;
//   checked.context().layer = layer;
//   checked.context().planned_placement_hash = plan.Hash();
//   EPLB_RETURN_IF_ERROR(checked.Exchange(sends, receives, deadline));
//
// Before each operation all ranks gather one header of 192 bytes
// (collectives/check_header.h). Where a field differs, every rank gets
// FailedPrecondition that names the field, the values and the ranks, and
// nothing of the payload has been sent:
//  - what the ranks hold differs (state, forward id, model, layer, placements,
//    configuration, weight layout): all ranks stand at the same operation, so
//    the communicator stays usable and a rank can still say no;
//  - the operation itself differs (kind, bytes, element type, root, name,
//    pairing of messages, sequence, epoch, version): the ranks have lost each
//    other, and the communicator is poisoned on all of them.
//
// Headers are host memory. Where the communicator does not serve that, or where
// its end is not to be the end of what ranks say to each other, the headers go
// over a second one:
//
//   CheckedCommunicator checked(std::move(nccl), std::move(gloo));
//   if (!checked.Exchange(sends, receives, deadline).ok()) {
//     checked.Agree(kNo, deadline);  // Still tells all ranks.
//   }

#ifndef EPLB_COLLECTIVES_CHECKED_H_
#define EPLB_COLLECTIVES_CHECKED_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_gate.h"
#include "collectives/check_header.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "collectives/exchange_pairing.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"

namespace eplb {

// What a rank holds and is at, beside the operation itself. The meaning of the
// numbers is the owner's; equal on all ranks is all that is asked of them.
struct CheckContext {
  uint64_t epoch = 0;
  uint64_t state = 0;
  uint64_t forward_id = 0;
  uint64_t model = 0;
  int64_t layer = -1;
  uint64_t installed_placement_hash = 0;
  uint64_t planned_placement_hash = 0;
  uint64_t weight_layout_hash = 0;
};

class CheckedCommunicator final : public Communicator {
 public:
  explicit CheckedCommunicator(std::unique_ptr<Communicator> communicator);

  // Headers, and with them Barrier and Agree, go over `control`, all else over
  // `data`. Both have the same ranks; `control` serves host memory, and is this
  // communicator's alone. Clones have clones of both.
  //
  // An error of `data` leaves Agree as it was, so that the ranks can still
  // decide together what comes next. Every other call fails with it from then
  // on, and ends those of the ranks that go on as if nothing had happened.
  CheckedCommunicator(std::unique_ptr<Communicator> data,
                      std::unique_ptr<Communicator> control);
  ~CheckedCommunicator() override;

  // Set between calls; holds until changed. Clones begin with a copy.
  CheckContext& context() { return context_; }
  void set_configuration(ConfigurationFields configuration);

  // Tells every rank's `value` to all, in rank order: for what a rank decides
  // by itself (skip, out of memory, busy) and all must know to take the same
  // branch. The values travel in the headers.
  absl::StatusOr<std::vector<int64_t>> Agree(int64_t value,
                                             SteadyTime deadline);

  // As Clone, with the type.
  absl::StatusOr<std::unique_ptr<CheckedCommunicator>> CloneChecked(
      absl::string_view name, SteadyTime deadline);

  int rank() const override { return data_->rank(); }
  int size() const override { return data_->size(); }

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
  std::vector<int> AwaitedRanks() const override;
  std::string ToString() const override;

 private:
  // A batch of messages, to name those that do not pair.
  struct ExchangeBatch {
    absl::Span<const SendMessage> sends;
    absl::Span<const ReceiveMessage> receives;
  };

  // What the headers go over.
  Communicator& control() { return control_ ? *control_ : *data_; }
  void AbortChannels(const absl::Status& reason);

  // Lets `prepare` check the arguments and add to the header of `operation`,
  // compares the headers of all ranks, and then runs `body`.
  absl::Status Call(Operation operation, SteadyTime deadline,
                    absl::FunctionRef<absl::Status(CheckHeader&)> prepare,
                    absl::FunctionRef<absl::Status()> body,
                    const ExchangeBatch* exchange = nullptr);

  void CompleteHeader(CheckHeader& header);
  absl::Status GatherHeaders(const CheckHeader& header, SteadyTime deadline);
  // Of the headers of all ranks, `header` being this one's.
  absl::StatusOr<std::vector<HeaderDifference>> FindDifferences(
      const CheckHeader& header, const ExchangeBatch* exchange,
      SteadyTime deadline);
  absl::Status PrepareExchange(const ExchangeBatch& exchange,
                               CheckHeader& header);
  // Ends a call with what its body returned.
  absl::Status LeaveBody(absl::Status result);

  const std::unique_ptr<Communicator> data_;
  const std::unique_ptr<Communicator> control_;  // Null: the same channel.
  CallGate gate_;
  // The first, where there is a control channel beside. Only touched inside a
  // call.
  absl::Status data_failure_;
  CheckContext context_;
  ConfigurationFields configuration_;
  uint64_t sequence_ = 0;

  // Kept from call to call for their memory.
  std::vector<CheckHeader> header_of_rank_;
  bool headers_are_alike_ = true;  // In all that ranks compare.
  std::vector<std::byte> gathered_bytes_;
  MessagesByPeer sends_by_destination_;
  MessagesByPeer receives_by_source_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CHECKED_H_
