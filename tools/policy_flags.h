// The flags of every command that takes a policy.
//
//   PolicyOptions options;
//   std::vector<Flag> flags = PolicyFlags(options);
//   EPLB_ASSIGN_OR_RETURN(const PlacementPolicy* policy,
//                         FindPolicy(registry, options.policy));

#ifndef EPLB_TOOLS_POLICY_FLAGS_H_
#define EPLB_TOOLS_POLICY_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "tools/command/flag.h"

namespace eplb {

struct PolicyOptions {
  std::string policy = "hierarchical";
  int max_moves_per_layer = PlacementRequest().max_moves_per_layer;
  double target_balancedness = PlacementRequest().target_balancedness;
};

// `options` is borrowed by the flags.
std::vector<Flag> PolicyFlags(PolicyOptions& options);

// The same without --policy, and a --policy that takes a list.
std::vector<Flag> PolicyLimitFlags(PolicyOptions& options);
Flag PolicyListFlag(std::vector<std::string>& policies);

// NotFound, with the names that are known and the nearest one, when there is
// no policy of that name.
absl::StatusOr<const PlacementPolicy*> FindPolicy(
    const PolicyRegistry& registry, const std::string& name);

}  // namespace eplb

#endif  // EPLB_TOOLS_POLICY_FLAGS_H_
