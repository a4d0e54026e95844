// RouteTable: where each logical expert's replicas are, in memory of a device,
// at addresses that never change, so that captured CUDA graphs stay valid.
//
//   EPLB_ASSIGN_OR_RETURN(
//       std::unique_ptr<RouteTable> table,
//       RouteTable::Create(device, rows, max_slots, stream, deadline));
//   pass.table = table->view();
//   ...
//   // At a switch, between two passes on `stream`:
//   EPLB_RETURN_IF_ERROR(table->Update(new_rows, stream, deadline));

#ifndef EPLB_KERNELS_ROUTE_TABLE_H_
#define EPLB_KERNELS_ROUTE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"

namespace eplb {

// Thread-compatible. The device outlives it, and it the work of its streams.
class RouteTable {
 public:
  // Holds `rows`, and later any of as many experts and at most `max_slots`
  // slots. InvalidArgument when there are more now. Returns when the table can
  // be used on every stream.
  static absl::StatusOr<std::unique_ptr<RouteTable>> Create(
      Device& device, const RouteRows& rows, int max_slots, Stream& stream,
      SteadyTime deadline);

  // Passes handed to `stream` later are routed by `rows`, those before by what
  // was there. InvalidArgument, with the table as it was, when `rows` do not
  // fit. Waits, until `deadline`, only for the copy of an Update before.
  absl::Status Update(const RouteRows& rows, Stream& stream,
                      SteadyTime deadline);

  // The same for the life of the table.
  const RouteTableView& view() const { return view_; }
  // Slots of each expert, beside the view; [num_experts].
  const int32_t* replica_counts() const {
    return reinterpret_cast<const int32_t*>(table_.data() +
                                            layout_.replica_counts);
  }

 private:
  // The parts of the table, by their offsets from its beginning.
  struct Layout {
    Layout(int num_experts, int max_slots);

    size_t reciprocals = 0;
    size_t row_begin;
    size_t replica_counts;
    size_t slots;
    size_t share_ends;
    size_t num_bytes;
  };

  RouteTable(Device& device, int num_experts, int max_slots);

  absl::Status Allocate();

  Device& device_;
  const Layout layout_;
  DeviceBuffer table_;
  // What is copied to `table_`; free again when `copied_` is complete.
  DeviceBuffer staged_;
  std::unique_ptr<DeviceEvent> copied_;
  RouteTableView view_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_ROUTE_TABLE_H_
