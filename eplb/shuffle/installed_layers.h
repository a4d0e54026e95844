// InstalledLayers: what the live weights of a rank hold, layer by layer, and
// how they came to.

#ifndef EPLB_SHUFFLE_INSTALLED_LAYERS_H_
#define EPLB_SHUFFLE_INSTALLED_LAYERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/placement.h"
#include "kernels/device.h"

namespace eplb {

// Thread-compatible.
class InstalledLayers {
 public:
  explicit InstalledLayers(const Placement& placement);

  // Of every slot of the group.
  const std::vector<int32_t>& experts(int layer) const {
    return layers_[layer].experts;
  }
  int64_t generation(int layer) const { return layers_[layer].generation; }
  // Of the last switch; -1 before.
  int64_t commit_step(int layer) const { return layers_[layer].commit_step; }
  // When the rows of the last switch are there; null before.
  std::shared_ptr<const DeviceEvent> written(int layer) const {
    return layers_[layer].written;
  }

  // Of experts and generation.
  uint64_t Hash(int layer) const;

  absl::StatusOr<Placement> ToPlacement() const;

  void Switch(int layer, std::vector<int32_t> experts, int64_t commit_step,
              std::shared_ptr<const DeviceEvent> written);

  // The layers hold `placement`, in the generation given.
  void Adopt(const Placement& placement, int64_t generation);

 private:
  struct Layer {
    std::vector<int32_t> experts;
    int64_t generation = 0;
    int64_t commit_step = -1;
    std::shared_ptr<const DeviceEvent> written;
  };

  int num_logical_experts_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_INSTALLED_LAYERS_H_
