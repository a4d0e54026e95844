// DetectTopology: which ranks share a machine, found out over a communicator.
//
//   EPLB_ASSIGN_OR_RETURN(
//       Topology topology,
//       DetectTopology(communicator, MachineIdentity(), deadline));

#ifndef EPLB_COLLECTIVES_TOPOLOGY_DETECTION_H_
#define EPLB_COLLECTIVES_TOPOLOGY_DETECTION_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/topology.h"

namespace eplb {

// The longest identity that ranks can compare, in bytes.
inline constexpr size_t kMaxMachineIdentityBytes = 248;

// Names the machine that this process runs on: the id that the kernel drew
// when it booted, and the host name, so that containers with names of their
// own count as machines of their own.
std::string MachineIdentity();

// Ranks with equal identities are on one node. Nodes may differ in size; they
// are numbered in the order of their first ranks. All ranks call; all ranks
// are active in the result.
absl::StatusOr<Topology> DetectTopology(Communicator& communicator,
                                        absl::string_view machine_identity,
                                        SteadyTime deadline);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_TOPOLOGY_DETECTION_H_
