#include "eplb/state/layer_tables.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"

namespace eplb {

absl::StatusOr<LayerTables> LayerTables::Create(Device& device,
                                                const Placement& placement,
                                                int max_slots, Stream& stream,
                                                SteadyTime deadline) {
  LayerTables tables;
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    EPLB_ASSIGN_OR_RETURN(const RouteRows rows,
                          RouteRows::Create(placement.num_logical_experts(),
                                            placement.experts_of_slots(layer)));
    EPLB_ASSIGN_OR_RETURN(
        std::unique_ptr<RouteTable> table,
        RouteTable::Create(device, rows, max_slots, stream, deadline));
    tables.routes_.push_back(std::move(table));
  }
  return tables;
}

absl::Status LayerTables::SetLayer(int layer, const RouteRows& routes,
                                   Stream& stream, SteadyTime deadline) {
  return routes_[layer]->Update(routes, stream, deadline);
}

}  // namespace eplb
