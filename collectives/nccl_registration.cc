#include "collectives/nccl_registration.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/communicator_registry.h"
#include "collectives/nccl_api_real.h"
#include "collectives/nccl_communicator.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"

namespace eplb {

absl::Status RegisterNccl(CommunicatorRegistry& registry,
                          NcclOwnerOptions options, Clock& clock) {
  return registry.Register(
      "nccl",
      {.joins_processes = true,
       .memory = {MemorySpace::kDevice, MemorySpace::kPinnedHost},
       .connect_data = [options, &clock](uint64_t epoch,
                                         std::unique_ptr<Communicator> control,
                                         SteadyTime deadline) {
         return ConnectNccl(RealNcclApi(), clock, options, epoch,
                            std::move(control), deadline);
       }});
}

}  // namespace eplb
