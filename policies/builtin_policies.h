// The policies that come with the library.

#ifndef EPLB_POLICIES_BUILTIN_POLICIES_H_
#define EPLB_POLICIES_BUILTIN_POLICIES_H_

#include "absl/status/status.h"
#include "policies/policy_registry.h"

namespace eplb {

// Registers `hierarchical`, `greedy`, `refined` and `incremental`.
// AlreadyExists when one of the names is taken.
absl::Status RegisterBuiltinPolicies(PolicyRegistry& registry);

}  // namespace eplb

#endif  // EPLB_POLICIES_BUILTIN_POLICIES_H_
