#include "eplb/state/pass_counters.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_recorder.h"
#include "kernels/device.h"

namespace eplb {

absl::StatusOr<PassCounters> PassCounters::Create(Device& device,
                                                  int num_layers, int width,
                                                  Stream& stream,
                                                  SteadyTime deadline) {
  PassCounters counters;
  counters.num_layers_ = num_layers;
  counters.width_ = static_cast<size_t>(width);
  const size_t num_bytes = counters.num_bytes();
  EPLB_ASSIGN_OR_RETURN(counters.memory_,
                        device.Allocate(num_bytes, device.memory_space()));
  counters.counts_ = {reinterpret_cast<int32_t*>(counters.memory_.data()),
                      counters.width_};
  if (device.memory_space() == MemorySpace::kDevice) {
    counters.device_ = &device;
    EPLB_ASSIGN_OR_RETURN(counters.zeroes_,
                          device.Allocate(num_bytes, MemorySpace::kPinnedHost));
    std::memset(counters.zeroes_.data(), 0, num_bytes);
  }
  EPLB_RETURN_IF_ERROR(counters.Zero(stream));
  EPLB_RETURN_IF_ERROR(stream.Synchronize(deadline));
  return counters;
}

PassCounters PassCounters::OfEngine(PassCounts counts, int num_layers,
                                    int width) {
  PassCounters counters;
  counters.num_layers_ = num_layers;
  counters.width_ = static_cast<size_t>(width);
  counters.counts_ = counts;
  return counters;
}

absl::Status PassCounters::CopyTo(DeviceBuffer& pinned, Stream& stream) const {
  return device_->CopyBatch({{pinned.data(), memory_.data(), num_bytes()}},
                            stream);
}

absl::Status PassCounters::Zero(Stream& stream) {
  if (!is_on_host()) {
    return device_->CopyBatch({{memory_.data(), zeroes_.data(), num_bytes()}},
                              stream);
  }
  for (int layer = 0; layer < num_layers_; ++layer) {
    std::memset(this->layer(layer), 0, width_ * sizeof(int32_t));
  }
  return absl::OkStatus();
}

}  // namespace eplb
