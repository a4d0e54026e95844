#include "eplb/state/state_test_faults.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "testing/faulty_communicator.h"

namespace eplb {
namespace {

// What a state clones its channels from, of which one has faults.
class ControlFaults final : public Communicator {
 public:
  ControlFaults(std::unique_ptr<Communicator> communicator, Clock& clock,
                std::vector<Fault> script, std::string channel,
                const FaultyCommunicator*& control)
      : communicator_(std::move(communicator)),
        clock_(clock),
        script_(std::move(script)),
        channel_(std::move(channel)),
        control_(control) {}

  int rank() const override { return communicator_->rank(); }
  int size() const override { return communicator_->size(); }
  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override {
    return communicator_->AllReduceSum(values, deadline);
  }
  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override {
    return communicator_->AllGather(mine, all, deadline);
  }
  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override {
    return communicator_->Broadcast(data, root, deadline);
  }
  absl::Status Barrier(SteadyTime deadline) override {
    return communicator_->Barrier(deadline);
  }
  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override {
    return communicator_->Exchange(sends, receives, deadline);
  }
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> clone,
                          communicator_->Clone(name, deadline));
    if (name != channel_) return clone;
    auto faulty =
        std::make_unique<FaultyCommunicator>(std::move(clone), clock_, script_);
    control_ = faulty.get();
    return faulty;
  }
  void Abort(absl::Status reason) override {
    communicator_->Abort(std::move(reason));
  }
  std::string ToString() const override {
    return absl::StrCat("control faults of ", communicator_->ToString());
  }

 private:
  const std::unique_ptr<Communicator> communicator_;
  Clock& clock_;
  const std::vector<Fault> script_;
  const std::string channel_;
  const FaultyCommunicator*& control_;
};

}  // namespace

FaultyControlFactory::FaultyControlFactory(
    CommunicatorFactory& factory, Clock& clock, std::vector<Fault> script,
    const std::atomic<bool>& network_is_down, std::string channel)
    : factory_(factory),
      clock_(clock),
      script_(std::move(script)),
      channel_(std::move(channel)),
      network_is_down_(network_is_down) {}

absl::StatusOr<std::unique_ptr<Communicator>> FaultyControlFactory::Connect(
    uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) {
  const bool is_first = !std::exchange(has_connected_, true);
  if (!is_first && network_is_down_) {
    return absl::UnavailableError(
        absl::StrCat("epoch ", epoch, ": the network is down"));
  }
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                        factory_.Connect(epoch, members, deadline));
  if (!is_first) return communicator;
  return std::make_unique<ControlFaults>(std::move(communicator), clock_,
                                         script_, channel_, control_);
}

}  // namespace eplb
