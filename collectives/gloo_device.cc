#include "collectives/gloo_device.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gloo/config.h"
#include "gloo/transport/context.h"
#include "gloo/transport/device.h"
#include "gloo/transport/tcp/device.h"
#if GLOO_HAVE_TRANSPORT_IBVERBS && __has_include(<infiniband/verbs.h>)
#define EPLB_GLOO_IBVERBS 1
#include "gloo/transport/ibverbs/device.h"
#else
#define EPLB_GLOO_IBVERBS 0
#endif

namespace eplb {
absl::Status CheckGlooDevice(const GlooDeviceOptions& options) {
  if (options.ibverbs_device.empty() || EPLB_GLOO_IBVERBS) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat("the device ", options.ibverbs_device,
                   ": this build of EPLB, or its Gloo, is without ibverbs"));
}

std::shared_ptr<gloo::transport::Context> MakeGlooContext(
    const GlooDeviceOptions& options, int rank, int num_ranks) {
#if EPLB_GLOO_IBVERBS
  if (!options.ibverbs_device.empty()) {
    gloo::transport::ibverbs::attr attr;
    attr.name = options.ibverbs_device;
    attr.port = 1;
    attr.index = 0;
    return gloo::transport::ibverbs::CreateDevice(attr)->createContext(
        rank, num_ranks);
  }
#endif
  gloo::transport::tcp::attr attr;
  attr.hostname = options.listen_address;
  return gloo::transport::tcp::CreateDevice(attr)->createContext(rank,
                                                                 num_ranks);
}

}  // namespace eplb
