#include "eplb/core/model_shape.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::Status ModelShape::Validate() const {
  if (num_layers < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_layers is ", num_layers, "; it must be at least 1"));
  }
  if (num_logical_experts < 1) {
    return absl::InvalidArgumentError(absl::StrCat("num_logical_experts is ",
                                                   num_logical_experts,
                                                   "; it must be at least 1"));
  }
  if (num_redundant_experts < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_redundant_experts is ", num_redundant_experts,
                     "; it must not be negative"));
  }
  if (num_expert_groups < 1 || num_logical_experts % num_expert_groups != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_expert_groups is ", num_expert_groups,
        "; it must be positive and divide num_logical_experts, which is ",
        num_logical_experts));
  }
  const int64_t slots = int64_t{num_logical_experts} + num_redundant_experts;
  if (slots > kMaxTableEntries || slots * num_layers > kMaxTableEntries) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_layers ", num_layers, " times ", slots,
                     " physical experts is more than ", kMaxTableEntries));
  }
  return absl::OkStatus();
}

absl::Status ValidateSlotsPerRank(const ModelShape& shape, int num_ranks) {
  EPLB_RETURN_IF_ERROR(shape.Validate());
  if (num_ranks < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_ranks is ", num_ranks, "; it must be at least 1"));
  }
  const int slots = shape.num_physical_experts();
  if (slots % num_ranks == 0) return absl::OkStatus();
  const int64_t nearest =
      NearestMultiple(slots, num_ranks, shape.num_logical_experts);
  return absl::InvalidArgumentError(absl::StrCat(
      slots, " slots do not divide by ", num_ranks,
      " ranks; the nearest number that does is ", nearest,
      " (num_redundant_experts ", nearest - shape.num_logical_experts, ")"));
}

absl::StatusOr<int> AutoRedundantExperts(int num_logical_experts,
                                         int num_ranks) {
  if (num_logical_experts < 1 || num_ranks < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_logical_experts is ", num_logical_experts, " and num_ranks is ",
        num_ranks, "; both must be at least 1"));
  }
  return (num_ranks - num_logical_experts % num_ranks) % num_ranks;
}

int64_t NearestMultiple(int64_t value, int64_t divisor, int64_t minimum) {
  // No intermediate value is larger than the result.
  const int64_t over = value % divisor;
  const int64_t nearest =
      over <= divisor - over ? value - over : value - over + divisor;
  if (nearest >= minimum) return nearest;
  return minimum + (divisor - minimum % divisor) % divisor;
}

}  // namespace eplb
