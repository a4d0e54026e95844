// LayerTables: what the layers of an engine read to route tokens, at addresses
// that never change, and written in place when a layer switches.

#ifndef EPLB_STATE_LAYER_TABLES_H_
#define EPLB_STATE_LAYER_TABLES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"

namespace eplb {

// What one layer sees. All memory is the state's, and the device's.
struct LayerView {
  // Where each logical expert's replicas are.
  RouteTableView routes;
  // How many there are of each, [logical experts].
  const int32_t* replica_counts = nullptr;
  // Tokens of this pass per slot, or per logical expert where the model counts
  // these: the layer adds, the state reads and zeroes.
  int32_t* pass_counts = nullptr;
  // For passes of the model: what `routes` were made for.
  ReplicaChoice replica_choice = ReplicaChoice::kSpread;
};

// Thread-compatible. The device outlives it.
class LayerTables {
 public:
  // Tables of `placement`, with room for layers of `max_slots`. The replicas
  // of an expert have equal shares.
  static absl::StatusOr<LayerTables> Create(Device& device,
                                            const Placement& placement,
                                            int max_slots, Stream& stream,
                                            SteadyTime deadline);

  // `routes` from now on, for passes that are handed to `stream` later.
  absl::Status SetLayer(int layer, const RouteRows& routes, Stream& stream,
                        SteadyTime deadline);

  RouteTableView routes(int layer) const { return routes_[layer]->view(); }
  const int32_t* replica_counts(int layer) const {
    return routes_[layer]->replica_counts();
  }

 private:
  LayerTables() = default;

  std::vector<std::unique_ptr<RouteTable>> routes_;
};

}  // namespace eplb

#endif  // EPLB_STATE_LAYER_TABLES_H_
