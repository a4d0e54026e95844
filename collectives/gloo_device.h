// What Gloo sends and receives on: TCP, or InfiniBand where this build has it.

#ifndef EPLB_COLLECTIVES_GLOO_DEVICE_H_
#define EPLB_COLLECTIVES_GLOO_DEVICE_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace gloo::transport {
class Context;
}  // namespace gloo::transport

namespace eplb {

struct GlooDeviceOptions {
  // The address of this machine that the other ranks reach it by.
  std::string listen_address = "127.0.0.1";

  // InfiniBand in the place of TCP: the device ("mlx5_0"), empty for TCP.
  std::string ibverbs_device = {};

  // A transfer in which no piece arrives for so long has lost its peer, though
  // the deadline of the call may be far.
  std::chrono::milliseconds progress_timeout = std::chrono::seconds(30);
};

// Unimplemented for a device that this build cannot use.
absl::Status CheckGlooDevice(const GlooDeviceOptions& options);

// A context on a device of its own, which it keeps. Throws what Gloo throws.
std::shared_ptr<gloo::transport::Context> MakeGlooContext(
    const GlooDeviceOptions& options, int rank, int num_ranks);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_DEVICE_H_
