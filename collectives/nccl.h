// The nccl backend on the NCCL library of the machine. Where there is no CUDA
// toolkit, this target does not exist.
//
//   const std::unique_ptr<CommunicatorFactory> factory = NewNcclFactory(
//       {.device = local_rank}, std::move(control_factory), clock);
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
//                         factory->Connect(epoch, members, deadline));

#ifndef EPLB_COLLECTIVES_NCCL_H_
#define EPLB_COLLECTIVES_NCCL_H_

#include <memory>

#include "collectives/communicator.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"

namespace eplb {

// `control` joins the same ranks over host memory, for what they say to each
// other before and beside NCCL. `clock` outlives all that comes from here.
std::unique_ptr<CommunicatorFactory> NewNcclFactory(
    NcclOwnerOptions options, std::unique_ptr<CommunicatorFactory> control,
    Clock& clock);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_H_
