#include "eplb/state/layer_tables.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
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
  tables.device_ = &device;
  tables.num_experts_ = static_cast<size_t>(placement.num_logical_experts());
  const size_t num_bytes =
      placement.num_layers() * tables.num_experts_ * sizeof(int32_t);
  EPLB_ASSIGN_OR_RETURN(tables.counts_,
                        device.Allocate(num_bytes, device.memory_space()));
  EPLB_ASSIGN_OR_RETURN(tables.staged_,
                        device.Allocate(num_bytes, MemorySpace::kPinnedHost));
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    EPLB_ASSIGN_OR_RETURN(const RouteRows rows,
                          RouteRows::Create(placement.num_logical_experts(),
                                            placement.experts_of_slots(layer)));
    EPLB_ASSIGN_OR_RETURN(
        std::unique_ptr<RouteTable> table,
        RouteTable::Create(device, rows, max_slots, stream, deadline));
    tables.routes_.push_back(std::move(table));
    EPLB_RETURN_IF_ERROR(tables.SetLayer(layer, rows, stream, deadline));
  }
  EPLB_RETURN_IF_ERROR(stream.Synchronize(deadline));
  return tables;
}

absl::Status LayerTables::SetLayer(int layer, const RouteRows& routes,
                                   Stream& stream, SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(routes_[layer]->Update(routes, stream, deadline));
  const size_t row = static_cast<size_t>(layer) * num_experts_;
  int32_t* const staged = reinterpret_cast<int32_t*>(staged_.data()) + row;
  for (size_t expert = 0; expert < num_experts_; ++expert) {
    staged[expert] =
        routes.row_begin()[expert + 1] - routes.row_begin()[expert];
  }
  return device_->CopyBatch({{counts_.data() + row * sizeof(int32_t), staged,
                              num_experts_ * sizeof(int32_t)}},
                            stream);
}

}  // namespace eplb
