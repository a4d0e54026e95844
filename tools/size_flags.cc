#include "tools/size_flags.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/model_shape.h"

namespace eplb {
namespace {

// The divisor of `value` that is nearest to `wanted`; of two the smaller.
int NearestDivisor(int value, int wanted) {
  for (int distance = 0; distance < wanted; ++distance) {
    if (value % (wanted - distance) == 0) return wanted - distance;
    if (value % (wanted + distance) == 0) return wanted + distance;
  }
  return 1;
}

}  // namespace

absl::Status ValidateNodes(int ranks, int nodes) {
  if (ranks % nodes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--ranks=", ranks, ": does not divide by --nodes=", nodes,
                   "; the nearest number that does is ",
                   NearestMultiple(ranks, nodes, nodes)));
}

absl::Status ValidateGroups(int groups, int num_experts,
                            absl::string_view source) {
  if (num_experts % groups == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--groups=", groups, ": does not divide the ", num_experts,
                   " experts of ", source, "; the nearest number that does is ",
                   NearestDivisor(num_experts, groups)));
}

}  // namespace eplb
