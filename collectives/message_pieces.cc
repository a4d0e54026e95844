#include "collectives/message_pieces.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

std::vector<MessagePiece> CutIntoPieces(
    absl::Span<const size_t> message_bytes) {
  std::vector<MessagePiece> pieces;
  MessagePiece pack;
  const auto close_pack = [&] {
    if (pack.num_bytes > 0) pieces.push_back(pack);
    pack = MessagePiece();
  };
  for (size_t i = 0; i < message_bytes.size(); ++i) {
    const size_t num_bytes = message_bytes[i];
    if (num_bytes < kPackBelowBytes) {
      if (pack.num_bytes + num_bytes > kMaxPackBytes) close_pack();
      if (pack.num_messages == 0) pack.first_message = i;
      ++pack.num_messages;
      pack.num_bytes += num_bytes;
      continue;
    }
    close_pack();
    for (size_t offset = 0; offset < num_bytes; offset += kMaxPieceBytes) {
      pieces.push_back(
          {.first_message = i,
           .num_messages = 1,
           .offset = offset,
           .num_bytes = std::min(kMaxPieceBytes, num_bytes - offset)});
    }
  }
  close_pack();
  return pieces;
}

}  // namespace eplb
