#include "eplb/shuffle/installed_layers.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "kernels/device.h"

namespace eplb {

InstalledLayers::InstalledLayers(const Placement& placement) {
  Adopt(placement, /*generation=*/0);
}

uint64_t InstalledLayers::Hash(int layer) const {
  return StableHash()
      .Add(static_cast<uint64_t>(layer))
      .Add(static_cast<uint64_t>(layers_[layer].generation))
      .Add(layers_[layer].experts)
      .value();
}

absl::StatusOr<Placement> InstalledLayers::ToPlacement() const {
  std::vector<int32_t> experts;
  for (const Layer& layer : layers_) {
    experts.insert(experts.end(), layer.experts.begin(), layer.experts.end());
  }
  return Placement::Create(
      static_cast<int>(layers_.size()), num_logical_experts_,
      static_cast<int>(layers_[0].experts.size()), std::move(experts));
}

void InstalledLayers::Switch(int layer, std::vector<int32_t> experts,
                             int64_t commit_step,
                             std::shared_ptr<const DeviceEvent> written) {
  Layer& switched = layers_[layer];
  switched.experts = std::move(experts);
  ++switched.generation;
  switched.commit_step = commit_step;
  switched.written = std::move(written);
}

void InstalledLayers::Adopt(const Placement& placement, int64_t generation) {
  num_logical_experts_ = placement.num_logical_experts();
  layers_.resize(placement.num_layers());
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const absl::Span<const int32_t> row = placement.experts_of_slots(layer);
    layers_[layer].experts.assign(row.begin(), row.end());
    layers_[layer].generation = generation;
  }
}

}  // namespace eplb
