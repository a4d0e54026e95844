// PassCounters: where the tokens of a forward pass are counted, in memory of a
// device, at an address that never changes.
//
//   EPLB_ASSIGN_OR_RETURN(PassCounters counters,
//                         PassCounters::Create(device, num_layers, max_slots,
//                                              stream, deadline));
//   pass.slot_counts = counters.layer(layer);
//   ...
//   EPLB_RETURN_IF_ERROR(counters.CopyTo(pinned, stream));
//   EPLB_RETURN_IF_ERROR(counters.Zero(stream));

#ifndef EPLB_STATE_PASS_COUNTERS_H_
#define EPLB_STATE_PASS_COUNTERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/load/load_recorder.h"
#include "kernels/device.h"

namespace eplb {

// Movable. Thread-compatible. The device outlives it.
class PassCounters {
 public:
  // Zero at first. `width` counters per layer.
  static absl::StatusOr<PassCounters> Create(Device& device, int num_layers,
                                             int width, Stream& stream,
                                             SteadyTime deadline);

  // Counters that the engine keeps in the memory of the host.
  static PassCounters OfEngine(PassCounts counts, int num_layers, int width);

  int32_t* layer(int layer) const {
    return counts_.data + static_cast<size_t>(layer) * counts_.layer_stride;
  }

  // Whether the host can read and write them where they are.
  bool is_on_host() const { return device_ == nullptr; }
  const PassCounts& counts() const { return counts_; }

  // For counters that are not on the host: the counts as they are after the
  // earlier work of `stream`, [layers, width], to pinned memory of num_bytes().
  absl::Status CopyTo(DeviceBuffer& pinned, Stream& stream) const;
  size_t width() const { return width_; }
  size_t num_bytes() const {
    return static_cast<size_t>(num_layers_) * width_ * sizeof(int32_t);
  }

  // All counters become 0.
  absl::Status Zero(Stream& stream);

 private:
  PassCounters() = default;

  Device* device_ = nullptr;  // Null when the host can read the counters.
  int num_layers_ = 0;
  size_t width_ = 0;
  PassCounts counts_;
  DeviceBuffer memory_;  // Of the counters, when they are not the engine's.
  DeviceBuffer zeroes_;  // Pinned.
};

}  // namespace eplb

#endif  // EPLB_STATE_PASS_COUNTERS_H_
