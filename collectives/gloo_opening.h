// GlooOpening: what a rank of a GlooCommunicator says in the round that begins
// a call.
//
//   const std::string bytes = GlooOpening{.call = call}.Encode();
//   std::optional<GlooOpening> theirs = GlooOpening::Decode(bytes);
//
// On the wire: operation, bytes, root, pairing sum and bytes of the name as
// words of 8 bytes; the name; the payload.

#ifndef EPLB_COLLECTIVES_GLOO_OPENING_H_
#define EPLB_COLLECTIVES_GLOO_OPENING_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "collectives/call_description.h"

namespace eplb {

struct GlooOpening {
  CallDescription call;
  uint64_t pairing_sum = 0;  // Of an Exchange.
  std::string payload = {};  // As much as goes along.

  std::string Encode() const;
  // Nothing when the bytes are no opening; they come from another rank.
  static std::optional<GlooOpening> Decode(absl::string_view bytes);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_OPENING_H_
