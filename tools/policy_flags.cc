#include "tools/policy_flags.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "tools/command/flag.h"
#include "tools/command/nearest_name.h"

namespace eplb {

namespace {

std::vector<std::string> BuiltinPolicyNames() {
  PolicyRegistry registry;
  // Fails only where a name is taken, and the registry is empty.
  RegisterBuiltinPolicies(registry).IgnoreError();
  return registry.Names();
}

}  // namespace

std::vector<Flag> PolicyFlags(PolicyOptions& options) {
  Flag policy =
      TextFlag("policy", "NAME", "who decides about replicas and their places",
               options.policy);
  policy.suggestions = BuiltinPolicyNames();
  std::vector<Flag> flags = {policy};
  for (Flag& flag : PolicyLimitFlags(options)) flags.push_back(flag);
  return flags;
}

std::vector<Flag> PolicyLimitFlags(PolicyOptions& options) {
  return {
      IntegerFlag("max_moves_per_layer",
                  "slots of a layer that may change; 0 for any number", 0,
                  std::numeric_limits<int>::max(), options.max_moves_per_layer),
      NumberFlag("target_balancedness", "where policy 'incremental' stops", 0,
                 1, options.target_balancedness)};
}

Flag PolicyListFlag(std::vector<std::string>& policies) {
  Flag flag =
      TextListFlag("policy", "NAME,NAME", "policies to compare", policies);
  flag.suggestions = BuiltinPolicyNames();
  return flag;
}

absl::StatusOr<const PlacementPolicy*> FindPolicy(
    const PolicyRegistry& registry, const std::string& name) {
  const absl::StatusOr<const PlacementPolicy*> policy = registry.Find(name);
  if (policy.ok()) return policy;
  return absl::Status(
      policy.status().code(),
      absl::StrCat("--policy=", name, ": ", policy.status().message(),
                   DidYouMean(name, registry.Names())));
}

}  // namespace eplb
