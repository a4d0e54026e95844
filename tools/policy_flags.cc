#include "tools/policy_flags.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "tools/command/flag.h"
#include "tools/command/nearest_name.h"

namespace eplb {

std::vector<Flag> PolicyFlags(PolicyOptions& options) {
  return {
      TextFlag("policy", "NAME", "who decides about replicas and their places",
               options.policy),
      IntegerFlag("max_moves_per_layer",
                  "slots of a layer that may change; 0 for any number", 0,
                  std::numeric_limits<int>::max(), options.max_moves_per_layer),
      NumberFlag("target_balancedness", "where policy 'incremental' stops", 0,
                 1, options.target_balancedness)};
}

absl::StatusOr<const PlacementPolicy*> FindPolicy(
    const PolicyRegistry& registry, const PolicyOptions& options) {
  const absl::StatusOr<const PlacementPolicy*> policy =
      registry.Find(options.policy);
  if (policy.ok()) return policy;
  return absl::Status(
      policy.status().code(),
      absl::StrCat("--policy=", options.policy, ": ", policy.status().message(),
                   DidYouMean(options.policy, registry.Names())));
}

}  // namespace eplb
