#include "policies/builtin_policies.h"

#include <memory>

#include "absl/status/status.h"
#include "eplb/core/status_macros.h"
#include "policies/greedy.h"
#include "policies/hierarchical.h"
#include "policies/incremental.h"
#include "policies/policy_registry.h"
#include "policies/refined.h"

namespace eplb {

absl::Status RegisterBuiltinPolicies(PolicyRegistry& registry) {
  EPLB_RETURN_IF_ERROR(registry.Register(
      "hierarchical", std::make_unique<HierarchicalPolicy>()));
  EPLB_RETURN_IF_ERROR(
      registry.Register("greedy", std::make_unique<GreedyPolicy>()));
  EPLB_RETURN_IF_ERROR(
      registry.Register("refined", std::make_unique<RefinedPolicy>()));
  return registry.Register("incremental",
                           std::make_unique<IncrementalPolicy>());
}

}  // namespace eplb
