// RegisterNccl: the nccl backend by its name, in every build. In one without a
// CUDA toolkit, choosing it is an error that says so.
//
//   CommunicatorRegistry registry;
//   EPLB_RETURN_IF_ERROR(RegisterNccl(registry, {.device = local_rank},
//   clock));

#ifndef EPLB_COLLECTIVES_NCCL_REGISTRATION_H_
#define EPLB_COLLECTIVES_NCCL_REGISTRATION_H_

#include "absl/status/status.h"
#include "collectives/communicator_registry.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"

namespace eplb {

// "nccl": a data channel for device and pinned host memory. `clock` outlives
// all that comes from it.
absl::Status RegisterNccl(CommunicatorRegistry& registry,
                          NcclOwnerOptions options, Clock& clock);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_REGISTRATION_H_
