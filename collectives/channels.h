// Channels: the two communicators that the ranks of a job talk over. Loads,
// headers and decisions go over the control channel, weights over the data
// channel, so that the end of the second is not the end of the first.
//
//   ChannelFactory factory(std::move(gloo_factory));
//   EPLB_ASSIGN_OR_RETURN(Channels channels,
//                         factory.Connect(epoch, members, deadline));
//   EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(loads, deadline));
//   EPLB_RETURN_IF_ERROR(channels.data->Exchange(sends, receives, deadline));

#ifndef EPLB_COLLECTIVES_CHANNELS_H_
#define EPLB_COLLECTIVES_CHANNELS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// The same ranks, and the epoch of both is set in their contexts.
struct Channels {
  std::unique_ptr<CheckedCommunicator> control;
  std::unique_ptr<CheckedCommunicator> data;
};

// Connects a data channel in `epoch` over the ranks of `control`, which becomes
// its own. For a backend that cannot find its ranks by itself.
using ConnectData = std::function<absl::StatusOr<std::unique_ptr<Communicator>>(
    uint64_t epoch, std::unique_ptr<Communicator> control,
    SteadyTime deadline)>;

// Thread-safe, as its parts are.
class ChannelFactory {
 public:
  // Both channels over communicators of `factory`, which is called `name` in
  // messages.
  ChannelFactory(std::string name,
                 std::unique_ptr<CommunicatorFactory> factory);

  // The control channel over communicators of `control`, the data channel over
  // those of `connect_data`, whose headers go over the control channel's
  // backend too. `control` serves host memory.
  ChannelFactory(std::string control_name,
                 std::unique_ptr<CommunicatorFactory> control,
                 std::string data_name, ConnectData connect_data);

  // As CommunicatorFactory::Connect. Ranks whose data channels are of different
  // backends get FailedPrecondition.
  absl::StatusOr<Channels> Connect(uint64_t epoch,
                                   absl::Span<const int> members,
                                   SteadyTime deadline) const;

  // Of the backends.
  const std::string& control_name() const { return control_name_; }
  const std::string& data_name() const { return data_name_; }

 private:
  const std::string control_name_;
  const std::unique_ptr<CommunicatorFactory> control_;
  const std::string data_name_;
  const ConnectData connect_data_;  // Null: clones of the control channel.
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CHANNELS_H_
