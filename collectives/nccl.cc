#include "collectives/nccl.h"

#include <memory>
#include <utility>

#include "collectives/communicator.h"
#include "collectives/nccl_api_real.h"
#include "collectives/nccl_communicator.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"

namespace eplb {

std::unique_ptr<CommunicatorFactory> NewNcclFactory(
    NcclOwnerOptions options, std::unique_ptr<CommunicatorFactory> control,
    Clock& clock) {
  return std::make_unique<NcclCommunicatorFactory>(RealNcclApi(), clock,
                                                   options, std::move(control));
}

}  // namespace eplb
