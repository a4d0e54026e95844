// Guesses what a mistyped name was meant to be.
//
//   NearestName("polcy", {"loads", "policy"});  // "policy"

#ifndef EPLB_TOOLS_COMMAND_NEAREST_NAME_H_
#define EPLB_TOOLS_COMMAND_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eplb {

// The fewest insertions, deletions, replacements and swaps of neighbours that
// turn `a` into `b`, no character being changed twice.
int EditDistance(absl::string_view a, absl::string_view b);

// The name nearest to `name`, of equally near ones the first; empty when none
// is so near that it could be meant.
std::string NearestName(absl::string_view name,
                        const std::vector<std::string>& names);

// "; did you mean `prefix`NAME?", or nothing when no name is near.
std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& names,
                       absl::string_view prefix = "");

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_NEAREST_NAME_H_
