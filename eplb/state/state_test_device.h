// A state on the memory of a device: one rank that serves passes on a stream
// which nobody waits for, while its experts change places.

#ifndef EPLB_STATE_STATE_TEST_DEVICE_H_
#define EPLB_STATE_STATE_TEST_DEVICE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace eplb {

// Serves `num_steps` passes, whose tokens are of `seed`. DataLoss unless each
// pass found the expert of every token in the slot that it was routed to, and
// the loads at the end are those of all passes. Returns how often experts
// changed places.
absl::StatusOr<int> ServeOnDevice(Device& device, int num_steps, uint64_t seed);

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_DEVICE_H_
