// How the ranks of an NCCL communicator find each other: they tell all others,
// over a communicator that they have already, what they bring, and compare,
// before NCCL is asked for anything that waits.
//
//   NcclRankInfo mine = {.version = 22809, .device_uuid = "GPU-...", ...};
//   EPLB_ASSIGN_OR_RETURN(const NcclUniqueId id,
//                         MeetForNccl(control, mine, deadline));

#ifndef EPLB_COLLECTIVES_NCCL_RENDEZVOUS_H_
#define EPLB_COLLECTIVES_NCCL_RENDEZVOUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "eplb/core/clock.h"

namespace eplb {

// Has communicators with blocking=0, and ncclCommFinalize.
inline constexpr int kOldestNcclVersion = 21400;

// From here on two ranks may share a GPU.
inline constexpr int kNcclVersionWithSharedGpus = 23000;

// "2.28.9" for 22809.
std::string NcclVersionName(int version);

// FailedPrecondition, with the number, for a version that is too old.
absl::Status CheckNcclVersion(int version);

struct NcclRankInfo {
  // An error means that this rank cannot take part; the others get it too.
  absl::Status status;
  int version = 0;
  std::string device_uuid = {};
  NcclUniqueId id = {};
};

// The id of rank 0, for all. Or, on every rank the same and with the ranks
// named: the status of one that cannot take part; FailedPrecondition when
// versions differ, or when two ranks have one GPU and NCCL cannot serve that.
absl::StatusOr<NcclUniqueId> MeetForNccl(Communicator& control,
                                         const NcclRankInfo& mine,
                                         SteadyTime deadline);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_RENDEZVOUS_H_
