// BareGloo: two ranks over Gloo as it comes, one message after the other: the
// yardstick of //benchmarks:collectives.
//
//   BareGloo gloo;
//   // On a thread for each rank:
//   gloo.Transfer(rank, sent, received);

#ifndef EPLB_COLLECTIVES_BARE_GLOO_H_
#define EPLB_COLLECTIVES_BARE_GLOO_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "gloo/transport/context.h"

namespace eplb {

// The ranks' calls may run at the same time; those of one rank may not.
class BareGloo {
 public:
  // Throws what Gloo throws, as all that follows.
  BareGloo();

  // Sends `sent` to the other rank and receives `received` from it; what is
  // empty is left out. Returns when both are done.
  void Transfer(int rank, absl::Span<const uint8_t> sent,
                absl::Span<uint8_t> received);

 private:
  std::vector<std::shared_ptr<gloo::transport::Context>> contexts_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_BARE_GLOO_H_
