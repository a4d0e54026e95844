// CommunicatorRegistry: how a deployment says which communication it can make,
// and a configuration chooses by name.
//
//   CommunicatorRegistry registry;
//   EPLB_RETURN_IF_ERROR(RegisterGloo(registry, options, store, clock));
//   EPLB_RETURN_IF_ERROR(RegisterNccl(registry, {.device = local_rank},
//   clock)); EPLB_ASSIGN_OR_RETURN(
//       const std::unique_ptr<ChannelFactory> factory,
//       registry.Make("auto", {.num_processes = 16,
//                              .memory = MemorySpace::kDevice}));
//   EPLB_ASSIGN_OR_RETURN(Channels channels,
//                         factory->Connect(epoch, members, deadline));
//
// collectives/builtin_communicators.h registers the backends that come along.

#ifndef EPLB_COLLECTIVES_COMMUNICATOR_REGISTRY_H_
#define EPLB_COLLECTIVES_COMMUNICATOR_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/channels.h"
#include "collectives/communicator.h"
#include "eplb/core/memory_space.h"

namespace eplb {

// What a deployment can make, for the rank that runs in this place.
struct CommunicatorBackend {
  // Whether the ranks may be several processes, and not only threads of one.
  bool joins_processes = false;

  // Where the buffers of its calls may lie.
  std::vector<MemorySpace> memory;

  // One of the two: this rank's factory, for a backend that finds its ranks by
  // itself; or how to connect over the control channel of one that does.
  std::function<absl::StatusOr<std::unique_ptr<CommunicatorFactory>>()>
      make_factory = nullptr;
  ConnectData connect_data = nullptr;
};

// What a job asks of its communication; the same on all ranks.
struct CommunicationNeeds {
  int num_processes = 1;                    // That its ranks run in.
  MemorySpace memory = MemorySpace::kHost;  // Of what the data channel moves.
};

// An object, not a singleton: whoever connects owns one. Thread-compatible.
class CommunicatorRegistry {
 public:
  // The name that stands for a choice, see Make.
  static constexpr char kAuto[] = "auto";

  // AlreadyExists when the name is taken; InvalidArgument when it is "auto",
  // empty or has other characters than a-z, 0-9 and _, or when the backend has
  // not exactly one way to be made.
  absl::Status Register(absl::string_view name, CommunicatorBackend backend);

  // For a backend that is known and cannot be made here: choosing it fails with
  // `reason`, an error.
  absl::Status RegisterUnavailable(absl::string_view name, absl::Status reason);

  // The channels over the backend of that name. With "auto":
  //  - the control channel is in_process for ranks of one process, else gloo;
  //  - the data channel is the same where that serves the memory, else nccl.
  // A backend that needs a control channel gets that of "auto", by name too.
  //
  // NotFound, with the names there are, for an unknown name; the reason for one
  // that is unavailable; InvalidArgument when the backend does not join several
  // processes; Unimplemented when it does not serve the memory.
  absl::StatusOr<std::unique_ptr<ChannelFactory>> Make(
      absl::string_view name, const CommunicationNeeds& needs) const;

  // "auto" first, then those that can be made, in alphabetical order.
  std::vector<std::string> Names() const;

 private:
  absl::Status Add(absl::string_view name,
                   absl::StatusOr<CommunicatorBackend> backend);
  absl::StatusOr<const CommunicatorBackend*> Find(absl::string_view name) const;
  absl::StatusOr<std::string> ChooseData(const std::string& control,
                                         const CommunicationNeeds& needs) const;

  // Or why there is none.
  std::map<std::string, absl::StatusOr<CommunicatorBackend>> backends_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_COMMUNICATOR_REGISTRY_H_
