// GreedyPolicy: `hierarchical` with one group and one node. Replicas of any
// expert may sit on any rank.

#ifndef EPLB_POLICIES_GREEDY_H_
#define EPLB_POLICIES_GREEDY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"

namespace eplb {

// Thread-safe.
class GreedyPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_GREEDY_H_
