// GlooMessage: a message as GlooTransport moves it.

#ifndef EPLB_COLLECTIVES_GLOO_MESSAGE_H_
#define EPLB_COLLECTIVES_GLOO_MESSAGE_H_

#include <cstddef>

namespace eplb {

// Memory to send to, or to receive into from, `peer`, another rank. Those of
// one peer go in the order they are listed.
struct GlooMessage {
  int peer = 0;
  char* data = nullptr;
  size_t num_bytes = 0;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_MESSAGE_H_
