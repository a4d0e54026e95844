#include "collectives/call_description.h"

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/operation.h"
#include "collectives/rank_values.h"

namespace eplb {
namespace {

std::string Describe(const CallDescription& call) {
  const absl::string_view name = OperationName(call.operation);
  switch (call.operation) {
    case Operation::kBroadcast:
      return absl::StrCat(name, " of ", call.num_bytes, " bytes from rank ",
                          call.root);
    case Operation::kAllReduceSum:
    case Operation::kAllGather:
      return absl::StrCat(name, " of ", call.num_bytes, " bytes");
    case Operation::kClone:
      return absl::StrCat(name, " named \"", call.clone_name, "\"");
    default:
      return std::string(name);
  }
}

}  // namespace

absl::Status CompareDescriptions(
    int num_ranks,
    absl::FunctionRef<const CallDescription&(int rank)> description_of) {
  bool same = true;
  for (int rank = 1; rank < num_ranks; ++rank) {
    same = same && description_of(rank) == description_of(0);
  }
  if (same) return absl::OkStatus();
  std::vector<std::string> text_of_rank(num_ranks);
  for (int rank = 0; rank < num_ranks; ++rank) {
    text_of_rank[rank] = Describe(description_of(rank));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the ranks call different operations: ",
                   DescribeRankValues(text_of_rank)));
}

}  // namespace eplb
