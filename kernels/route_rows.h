// RouteRows: the route table of one layer as it is built on the host, before
// RouteTable (kernels/route_table.h) takes it to a device.
//
//   EPLB_ASSIGN_OR_RETURN(
//       RouteRows rows,
//       RouteRows::Create(placement.num_logical_experts(),
//                         placement.experts_of_slots(layer)));

#ifndef EPLB_KERNELS_ROUTE_ROWS_H_
#define EPLB_KERNELS_ROUTE_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/map_and_record.h"

namespace eplb {

// Immutable. Copies are independent.
class RouteRows {
 public:
  // `expert_of_slot[s]` is the expert in slot s, or negative for an empty slot.
  // An expert may be in no slot: its tokens then go nowhere (-1). `shares` are
  // of slots, in units of kWholeShare, and add up to it over the slots of each
  // expert; none: equal shares. InvalidArgument, naming slot or expert, value
  // and limit, otherwise.
  static absl::StatusOr<RouteRows> Create(
      int num_experts, absl::Span<const int32_t> expert_of_slot,
      absl::Span<const uint32_t> shares = {});

  int num_experts() const { return static_cast<int>(reciprocals_.size()); }
  int num_slots() const { return num_slots_; }

  // As in RouteTableView.
  absl::Span<const int32_t> row_begin() const { return row_begin_; }
  absl::Span<const int32_t> slots() const { return slots_; }
  absl::Span<const uint64_t> reciprocals() const { return reciprocals_; }
  absl::Span<const uint32_t> share_ends() const { return share_ends_; }

 private:
  RouteRows() = default;

  // The slots of each expert, rising.
  void InvertSlots(int num_experts, absl::Span<const int32_t> expert_of_slot);
  void SetReciprocals();
  void SetEqualShares();
  absl::Status SetShares(absl::Span<const uint32_t> shares);

  int num_slots_ = 0;
  std::vector<int32_t> row_begin_;
  std::vector<int32_t> slots_;
  std::vector<uint64_t> reciprocals_;
  std::vector<uint32_t> share_ends_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_ROUTE_ROWS_H_
