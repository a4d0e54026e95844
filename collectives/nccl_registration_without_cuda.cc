// RegisterNccl where there is no CUDA toolkit.

#include "absl/status/status.h"
#include "collectives/communicator_registry.h"
#include "collectives/nccl_owner.h"
#include "collectives/nccl_registration.h"
#include "eplb/core/clock.h"

namespace eplb {

absl::Status RegisterNccl(CommunicatorRegistry& registry, NcclOwnerOptions,
                          Clock&) {
  return registry.RegisterUnavailable(
      "nccl", absl::UnimplementedError(
                  "not in this build, which has found no CUDA toolkit"));
}

}  // namespace eplb
