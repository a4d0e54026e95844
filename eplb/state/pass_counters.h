// PassCounters: where the tokens of a forward pass are counted, in memory of a
// device, at an address that never changes.
//
//   EPLB_ASSIGN_OR_RETURN(PassCounters counters,
//                         PassCounters::Create(device, num_layers, max_slots));
//   pass.slot_counts = counters.layer(layer);
//   ...
//   EPLB_ASSIGN_OR_RETURN(PassCounts counts, counters.Read(stream, deadline));

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

  // The counts on the host: the counters themselves where they are in its
  // memory, else a copy that holds until the next call.
  absl::StatusOr<PassCounts> Read(Stream& stream, SteadyTime deadline);

  // All counters become 0.
  absl::Status Zero(Stream& stream);

 private:
  PassCounters() = default;

  size_t num_bytes() const {
    return static_cast<size_t>(num_layers_) * width_ * sizeof(int32_t);
  }
  bool is_on_host() const { return device_ == nullptr; }

  Device* device_ = nullptr;  // Null when the host can read the counters.
  int num_layers_ = 0;
  size_t width_ = 0;
  PassCounts counts_;
  DeviceBuffer memory_;   // Of the counters, when they are not the engine's.
  DeviceBuffer on_host_;  // Pinned.
  DeviceBuffer zeroes_;   // Pinned.
};

}  // namespace eplb

#endif  // EPLB_STATE_PASS_COUNTERS_H_
