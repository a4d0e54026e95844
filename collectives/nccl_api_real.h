// RealNcclApi: NcclApi over the NCCL and the CUDA runtime of the machine.

#ifndef EPLB_COLLECTIVES_NCCL_API_REAL_H_
#define EPLB_COLLECTIVES_NCCL_API_REAL_H_

#include <memory>

#include "collectives/nccl_api.h"

namespace eplb {

// Has no state: every call makes an equal one.
std::shared_ptr<NcclApi> RealNcclApi();

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_API_REAL_H_
