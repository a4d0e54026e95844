// PolicyRegistry: placement policies by name.
//
//   PolicyRegistry registry;
//   EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(registry));
//   EPLB_RETURN_IF_ERROR(
//       registry.Register("mine", std::make_unique<MyPolicy>()));
//   EPLB_ASSIGN_OR_RETURN(const PlacementPolicy* policy,
//                         registry.Find("mine"));

#ifndef EPLB_POLICIES_POLICY_REGISTRY_H_
#define EPLB_POLICIES_POLICY_REGISTRY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policies/placement_policy.h"

namespace eplb {

// An object, not a singleton: whoever plans owns one, and sees the policies
// that were registered on it. Thread-compatible.
class PolicyRegistry {
 public:
  // AlreadyExists when the name is taken; InvalidArgument when it is empty or
  // has other characters than a-z, 0-9 and _, or `policy` is null.
  absl::Status Register(absl::string_view name,
                        std::unique_ptr<const PlacementPolicy> policy);

  // The policy, which the registry goes on owning. NotFound, with the names
  // that are known, when there is none of that name.
  absl::StatusOr<const PlacementPolicy*> Find(absl::string_view name) const;

  // In alphabetical order.
  std::vector<std::string> Names() const;

 private:
  std::map<std::string, std::unique_ptr<const PlacementPolicy>> policies_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_POLICY_REGISTRY_H_
