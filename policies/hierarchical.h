// HierarchicalPolicy: the published expert-parallel balancing, to the bit.
//
// Expert groups are packed on nodes, redundant experts are made inside each
// node, and replicas are packed on the node's ranks. See docs/policies.md.

#ifndef EPLB_POLICIES_HIERARCHICAL_H_
#define EPLB_POLICIES_HIERARCHICAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"

namespace eplb {

// Plans as `greedy` when the groups do not divide by the nodes, and as on one
// node, with a warning, when the nodes differ in active ranks. Thread-safe.
class HierarchicalPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_H_
