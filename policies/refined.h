// RefinedPolicy: the most even placement that can be had from nothing.
//
// No two replicas of an expert share a rank when that can be avoided, and
// replica counts are chosen together with the packing, which comes close to
// the bound where min-max counts cannot. See docs/policies.md.

#ifndef EPLB_POLICIES_REFINED_H_
#define EPLB_POLICIES_REFINED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"

namespace eplb {

// Thread-safe.
class RefinedPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_H_
