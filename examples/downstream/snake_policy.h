// SnakePolicy: a placement policy of our own.

#ifndef DOWNSTREAM_SNAKE_POLICY_H_
#define DOWNSTREAM_SNAKE_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"

namespace downstream {

// Deals the experts, hottest first, to the ranks in turn, and back again, like
// cards: simple, and not bad where no expert stands out. Redundant slots go to
// the hottest experts, one each.
class SnakePolicy final : public eplb::PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const eplb::PlacementRequest& request,
      std::vector<std::string>& warnings) const override;
};

}  // namespace downstream

#endif  // DOWNSTREAM_SNAKE_POLICY_H_
