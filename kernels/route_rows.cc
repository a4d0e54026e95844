#include "kernels/route_rows.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "kernels/map_and_record.h"

namespace eplb {
namespace {

absl::Status CheckSizes(int num_experts, size_t num_slots, size_t num_shares) {
  if (num_experts < 1 || num_experts > kMaxTableEntries ||
      num_slots > kMaxTableEntries) {
    return absl::InvalidArgumentError(
        absl::StrCat("route table: ", num_experts, " experts in ", num_slots,
                     " slots; experts must be from 1 to ", kMaxTableEntries,
                     ", slots at most as many"));
  }
  if (num_shares != 0 && num_shares != num_slots) {
    return absl::InvalidArgumentError(
        absl::StrCat("route table: ", num_shares, " shares for ", num_slots,
                     " slots; there must be one for each, or none"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RouteRows> RouteRows::Create(
    int num_experts, absl::Span<const int32_t> expert_of_slot,
    absl::Span<const uint32_t> shares) {
  EPLB_RETURN_IF_ERROR(
      CheckSizes(num_experts, expert_of_slot.size(), shares.size()));
  for (size_t slot = 0; slot < expert_of_slot.size(); ++slot) {
    if (expert_of_slot[slot] >= num_experts) {
      return absl::InvalidArgumentError(absl::StrCat(
          "route table: slot ", slot, " holds expert ", expert_of_slot[slot],
          "; there are ", num_experts, " experts"));
    }
  }
  RouteRows rows;
  rows.InvertSlots(num_experts, expert_of_slot);
  rows.SetReciprocals();
  if (shares.empty()) {
    rows.SetEqualShares();
  } else {
    EPLB_RETURN_IF_ERROR(rows.SetShares(shares));
  }
  return rows;
}

void RouteRows::InvertSlots(int num_experts,
                            absl::Span<const int32_t> expert_of_slot) {
  num_slots_ = static_cast<int>(expert_of_slot.size());
  row_begin_.assign(num_experts + 1, 0);
  for (const int32_t expert : expert_of_slot) {
    if (expert >= 0) ++row_begin_[expert + 1];
  }
  for (int expert = 0; expert < num_experts; ++expert) {
    row_begin_[expert + 1] += row_begin_[expert];
  }
  slots_.resize(row_begin_.back());
  std::vector<int32_t> next(row_begin_.begin(), row_begin_.end() - 1);
  for (int slot = 0; slot < num_slots_; ++slot) {
    const int32_t expert = expert_of_slot[slot];
    if (expert >= 0) slots_[next[expert]++] = slot;
  }
}

void RouteRows::SetReciprocals() {
  reciprocals_.resize(row_begin_.size() - 1);
  for (int expert = 0; expert < num_experts(); ++expert) {
    const uint64_t count = row_begin_[expert + 1] - row_begin_[expert];
    // 2^64 itself becomes 0, with which every remainder by 1 is 0 as well.
    reciprocals_[expert] =
        count == 0 ? 0 : std::numeric_limits<uint64_t>::max() / count + 1;
  }
}

void RouteRows::SetEqualShares() {
  share_ends_.resize(slots_.size());
  for (int expert = 0; expert < num_experts(); ++expert) {
    const int32_t begin = row_begin_[expert];
    const uint64_t count = row_begin_[expert + 1] - begin;
    for (uint64_t i = 0; i < count; ++i) {
      share_ends_[begin + i] =
          static_cast<uint32_t>((i + 1) * kWholeShare / count);
    }
  }
}

absl::Status RouteRows::SetShares(absl::Span<const uint32_t> shares) {
  share_ends_.resize(slots_.size());
  for (int expert = 0; expert < num_experts(); ++expert) {
    uint64_t end = 0;
    for (int32_t i = row_begin_[expert]; i < row_begin_[expert + 1]; ++i) {
      end += shares[slots_[i]];
      share_ends_[i] = static_cast<uint32_t>(end);
    }
    if (end != kWholeShare && row_begin_[expert] < row_begin_[expert + 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("route table: the shares of expert ", expert,
                       " add up to ", end, "; they must to ", kWholeShare));
    }
  }
  return absl::OkStatus();
}

}  // namespace eplb
