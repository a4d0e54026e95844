#include "policies/policy_registry.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "policies/placement_policy.h"

namespace eplb {
namespace {

bool IsNameCharacter(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
}

}  // namespace

absl::Status PolicyRegistry::Register(
    absl::string_view name, std::unique_ptr<const PlacementPolicy> policy) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "policy name '", name, "': names are made of a-z, 0-9 and _"));
  }
  if (policy == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy '", name, "' is null"));
  }
  const bool inserted =
      policies_.emplace(std::string(name), std::move(policy)).second;
  if (!inserted) {
    return absl::AlreadyExistsError(
        absl::StrCat("a policy named '", name, "' is registered already"));
  }
  return absl::OkStatus();
}

absl::StatusOr<const PlacementPolicy*> PolicyRegistry::Find(
    absl::string_view name) const {
  const auto found = policies_.find(std::string(name));
  if (found == policies_.end()) {
    return absl::NotFoundError(
        absl::StrCat("no policy is named '", name,
                     "'; there are: ", absl::StrJoin(Names(), ", ")));
  }
  return found->second.get();
}

std::vector<std::string> PolicyRegistry::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : policies_) names.push_back(entry.first);
  return names;
}

}  // namespace eplb
