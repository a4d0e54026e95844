// CutIntoPieces: how the messages between two ranks are cut into what goes
// over the wire at once. Both sides know the sizes and so cut alike:
//
//   std::vector<MessagePiece> pieces = CutIntoPieces(sizes);
//   pieces[0];  // Bytes 0 to 8 MiB of message 0, or messages 1 to 900 packed.
//
// Large messages go in chunks, each of which shows that the peer still makes
// progress; small ones go many to a piece. Empty ones need no wire.

#ifndef EPLB_COLLECTIVES_MESSAGE_PIECES_H_
#define EPLB_COLLECTIVES_MESSAGE_PIECES_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// A part of one message, or several whole messages one after the other.
struct MessagePiece {
  size_t first_message = 0;
  size_t num_messages = 0;  // 1 for a part; more are packed.
  size_t offset = 0;        // In the message, for a part.
  size_t num_bytes = 0;
};

inline constexpr size_t kMaxPieceBytes = 8 << 20;
inline constexpr size_t kMaxPackBytes = 256 << 10;

// Messages below this size are packed: a copy costs less than a piece.
inline constexpr size_t kPackBelowBytes = 32 << 10;

std::vector<MessagePiece> CutIntoPieces(absl::Span<const size_t> message_bytes);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_MESSAGE_PIECES_H_
