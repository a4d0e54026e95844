// The shares of an expert's tokens that go to each of its replicas, for
// ReplicaChoice::kWeighted and kLocalFirst.
//
//   EPLB_ASSIGN_OR_RETURN(
//       std::vector<uint32_t> shares,
//       LocalFirstShares({.placement = &placement,
//                         .layer = layer,
//                         .topology = &topology}, rank));
//   EPLB_ASSIGN_OR_RETURN(RouteRows rows,
//                         RouteRows::Create(num_experts, experts, shares));
//
// Computed in whole numbers: the same on every rank and build.

#ifndef EPLB_KERNELS_REPLICA_SHARES_H_
#define EPLB_KERNELS_REPLICA_SHARES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

// What a planner assumed about one layer.
struct PlannedReplicas {
  const Placement* placement = nullptr;
  int layer = 0;
  // Needed by LocalFirstShares only.
  const Topology* topology = nullptr;
  // For each slot what its replica is to carry, against the other replicas of
  // its expert; none: all of an expert's carry the same.
  absl::Span<const int64_t> weights = {};

  // InvalidArgument, naming field, value and limit, unless the layer is one of
  // the placement, weights are not negative, each expert's are not all 0 and
  // their sum fits into int64.
  absl::Status Validate() const;
};

// For each slot its part of its expert's tokens, of every rank alike, in units
// of kWholeShare; 0 in an empty slot.
absl::StatusOr<std::vector<uint32_t>> WeightedShares(
    const PlannedReplicas& planned);

// As above, of the tokens of `rank`. When all active ranks have as many tokens
// of the expert, each replica's total is what was planned; within that as many
// tokens as possible stay on their rank, and of the others as many as possible
// on their node. A rank that is not active has the shares of WeightedShares.
// InvalidArgument as well when the slots do not divide by the ranks of the
// topology.
//
// In words: a replica's capacity is its part of what all ranks have. It first
// serves its own rank, then what its node has left, then the rest; where there
// is more than fits, or more capacity than tokens, everybody gets the same
// part of it.
absl::StatusOr<std::vector<uint32_t>> LocalFirstShares(
    const PlannedReplicas& planned, int rank);

}  // namespace eplb

#endif  // EPLB_KERNELS_REPLICA_SHARES_H_
