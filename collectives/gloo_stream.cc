#include "collectives/gloo_stream.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/gloo_message.h"
#include "collectives/message_pieces.h"
#include "eplb/core/status_macros.h"
#include "gloo/transport/context.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {
namespace {

// Pieces posted per peer and direction: the wire stays busy while one is
// waited for.
constexpr size_t kPiecesInFlight = 4;

// Everything of one peer comes in order, so one slot is enough.
constexpr uint64_t kSlot = 1;

}  // namespace

absl::Status CatchGlooErrors(absl::string_view what,
                             absl::FunctionRef<void()> body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(what, ": ", error.what()));
  }
}

GlooStream::GlooStream(Direction direction, int peer,
                       std::vector<GlooMessage> messages)
    : direction_(direction), peer_(peer), messages_(std::move(messages)) {
  std::vector<size_t> sizes;
  for (const GlooMessage& message : messages_) {
    sizes.push_back(message.num_bytes);
  }
  pieces_ = CutIntoPieces(sizes);
  posted_.resize(std::min(kPiecesInFlight, pieces_.size()));
}

std::string GlooStream::ToString() const {
  return absl::StrCat(is_send() ? "sending to" : "receiving from", " rank ",
                      peer_);
}

absl::Status GlooStream::PostFirst(gloo::transport::Context& context) {
  for (size_t index = 0; index < posted_.size(); ++index) {
    EPLB_RETURN_IF_ERROR(Post(index, context));
  }
  return absl::OkStatus();
}

gloo::transport::UnboundBuffer& GlooStream::buffer(size_t index) {
  return *posted_[index % posted_.size()].buffer;
}

absl::Status GlooStream::Accept(size_t index,
                                gloo::transport::Context& context) {
  Posted& posted = posted_[index % posted_.size()];
  posted.buffer.reset();
  const MessagePiece& piece = pieces_[index];
  if (piece.num_messages > 1 && !is_send()) {
    Unpack(piece, posted.pack.data());
  }
  const size_t next = index + posted_.size();
  return next < pieces_.size() ? Post(next, context) : absl::OkStatus();
}

absl::Status GlooStream::Post(size_t index, gloo::transport::Context& context) {
  const MessagePiece& piece = pieces_[index];
  Posted& posted = posted_[index % posted_.size()];
  char* data = messages_[piece.first_message].data + piece.offset;
  if (piece.num_messages > 1) {
    posted.pack.resize(piece.num_bytes);
    data = posted.pack.data();
    if (is_send()) Pack(piece, data);
  }
  return CatchGlooErrors(ToString(), [&] {
    posted.buffer = context.createUnboundBuffer(data, piece.num_bytes);
    if (is_send()) {
      posted.buffer->send(peer_, kSlot, 0, piece.num_bytes);
    } else {
      posted.buffer->recv(peer_, kSlot, 0, piece.num_bytes);
    }
  });
}

void GlooStream::Pack(const MessagePiece& piece, char* to) const {
  for (size_t i = 0; i < piece.num_messages; ++i) {
    const GlooMessage& message = messages_[piece.first_message + i];
    if (message.num_bytes == 0) continue;
    std::memcpy(to, message.data, message.num_bytes);
    to += message.num_bytes;
  }
}

void GlooStream::Unpack(const MessagePiece& piece, const char* from) const {
  for (size_t i = 0; i < piece.num_messages; ++i) {
    const GlooMessage& message = messages_[piece.first_message + i];
    if (message.num_bytes == 0) continue;
    std::memcpy(message.data, from, message.num_bytes);
    from += message.num_bytes;
  }
}

}  // namespace eplb
