// IncrementalPolicy: balance for few moves.
//
// Starts from the current placement and changes as few slots as it takes to
// reach PlacementRequest::target_balancedness, or to spend
// max_moves_per_layer. A layer that is good enough is left alone. Without a
// current placement it plans as `refined`. See docs/policies.md.

#ifndef EPLB_POLICIES_INCREMENTAL_H_
#define EPLB_POLICIES_INCREMENTAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"

namespace eplb {

// Thread-safe.
class IncrementalPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_H_
