// GlooStream: all that goes to, or comes from, one peer in a transfer, cut into
// pieces of which a few are under way.
//
//   GlooStream stream(GlooStream::Direction::kReceive, peer, messages);
//   EPLB_RETURN_IF_ERROR(stream.PostFirst(context));
//   for (size_t i = 0; i < stream.num_pieces(); ++i) {
//     // ... wait for stream.buffer(i) ...
//     EPLB_RETURN_IF_ERROR(stream.Accept(i, context));
//   }

#ifndef EPLB_COLLECTIVES_GLOO_STREAM_H_
#define EPLB_COLLECTIVES_GLOO_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "collectives/gloo_message.h"
#include "collectives/message_pieces.h"
#include "gloo/transport/context.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {

// What `body` throws, as Unavailable; Gloo's exceptions have no common base but
// std::exception.
absl::Status CatchGlooErrors(absl::string_view what,
                             absl::FunctionRef<void()> body);

// Destroyed after an error when the connections of the context are closed: a
// closed one does not touch the memory any more. Thread-compatible.
class GlooStream {
 public:
  enum class Direction { kSend, kReceive };

  GlooStream(Direction direction, int peer, std::vector<GlooMessage> messages);

  int peer() const { return peer_; }
  bool is_send() const { return direction_ == Direction::kSend; }
  size_t num_pieces() const { return pieces_.size(); }

  // For people: "sending to rank 3".
  std::string ToString() const;

  // Lets Gloo begin with the first pieces.
  absl::Status PostFirst(gloo::transport::Context& context);

  // What piece `index` is waited for on, from when it is posted until it is
  // accepted.
  gloo::transport::UnboundBuffer& buffer(size_t index);

  // Takes piece `index`, which has gone or come, and posts the next one in its
  // place. Pieces are accepted in their order.
  absl::Status Accept(size_t index, gloo::transport::Context& context);

 private:
  // A piece that Gloo is at work on.
  struct Posted {
    std::unique_ptr<gloo::transport::UnboundBuffer> buffer;
    std::vector<char> pack;
  };

  absl::Status Post(size_t index, gloo::transport::Context& context);
  void Pack(const MessagePiece& piece, char* to) const;
  void Unpack(const MessagePiece& piece, const char* from) const;

  Direction direction_;
  int peer_;
  std::vector<GlooMessage> messages_;
  std::vector<MessagePiece> pieces_;
  std::vector<Posted> posted_;  // By piece, modulo its size.
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_STREAM_H_
