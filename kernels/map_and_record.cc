#include "kernels/map_and_record.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

constexpr ReplicaChoice kChoices[] = {
    ReplicaChoice::kHash, ReplicaChoice::kSpread, ReplicaChoice::kWeighted,
    ReplicaChoice::kLocalFirst};

absl::Status CheckNotNull(const void* address, absl::string_view field) {
  if (address != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("MapAndRecord: ", field, " is null"));
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least,
                        int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("MapAndRecord: ", field, " is ", value, "; it must be from ",
                   least, " to ", most));
}

}  // namespace

absl::string_view ReplicaChoiceName(ReplicaChoice choice) {
  switch (choice) {
    case ReplicaChoice::kHash:
      return "hash";
    case ReplicaChoice::kSpread:
      return "spread";
    case ReplicaChoice::kWeighted:
      return "weighted";
    case ReplicaChoice::kLocalFirst:
      return "local_first";
  }
  return "unknown";
}

absl::StatusOr<ReplicaChoice> ParseReplicaChoice(absl::string_view name) {
  for (const ReplicaChoice choice : kChoices) {
    if (name == ReplicaChoiceName(choice)) return choice;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no choice of replicas is named \"", name,
                   "\"; there are hash, spread, weighted and local_first"));
}

absl::Status MapAndRecordPass::Validate() const {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  EPLB_RETURN_IF_ERROR(CheckRange("num_tokens", num_tokens, 0, kMax));
  EPLB_RETURN_IF_ERROR(CheckRange("top_k", top_k, 1, kMax));
  EPLB_RETURN_IF_ERROR(
      CheckRange("num_tokens * top_k", num_tokens * top_k, 0, kMax));
  EPLB_RETURN_IF_ERROR(CheckRange("rank", rank, 0, kMax));
  EPLB_RETURN_IF_ERROR(
      CheckRange("table.num_experts", table.num_experts, 1, kMax));
  EPLB_RETURN_IF_ERROR(CheckRange("table.max_slots", table.max_slots, 1, kMax));
  EPLB_RETURN_IF_ERROR(CheckNotNull(table.row_begin, "table.row_begin"));
  EPLB_RETURN_IF_ERROR(CheckNotNull(table.slots, "table.slots"));
  EPLB_RETURN_IF_ERROR(CheckNotNull(table.reciprocals, "table.reciprocals"));
  EPLB_RETURN_IF_ERROR(CheckNotNull(table.share_ends, "table.share_ends"));
  if (num_tokens == 0) return absl::OkStatus();
  EPLB_RETURN_IF_ERROR(CheckNotNull(logical_ids, "logical_ids"));
  EPLB_RETURN_IF_ERROR(CheckNotNull(slot_ids, "slot_ids"));
  return CheckNotNull(slot_counts, "slot_counts");
}

}  // namespace eplb
