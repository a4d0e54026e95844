#include "collectives/channels.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

ChannelFactory::ChannelFactory(std::string name,
                               std::unique_ptr<CommunicatorFactory> factory)
    : ChannelFactory(name, std::move(factory), name, nullptr) {}

ChannelFactory::ChannelFactory(std::string control_name,
                               std::unique_ptr<CommunicatorFactory> control,
                               std::string data_name, ConnectData connect_data)
    : control_name_(std::move(control_name)),
      control_(std::move(control)),
      data_name_(std::move(data_name)),
      connect_data_(std::move(connect_data)) {}

absl::StatusOr<Channels> ChannelFactory::Connect(uint64_t epoch,
                                                 absl::Span<const int> members,
                                                 SteadyTime deadline) const {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                        control_->Connect(epoch, members, deadline));
  // The name is compared: ranks that chose differently learn it here.
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<Communicator> data,
      control->Clone(absl::StrCat("data over ", data_name_), deadline));
  std::unique_ptr<Communicator> headers;
  if (connect_data_ != nullptr) {
    EPLB_ASSIGN_OR_RETURN(headers, control->Clone("headers of data", deadline));
    EPLB_ASSIGN_OR_RETURN(data,
                          connect_data_(epoch, std::move(data), deadline));
  }
  Channels channels;
  channels.control = std::make_unique<CheckedCommunicator>(std::move(control));
  channels.data = std::make_unique<CheckedCommunicator>(std::move(data),
                                                        std::move(headers));
  channels.control->context().epoch = epoch;
  channels.data->context().epoch = epoch;
  return channels;
}

}  // namespace eplb
