// RowPieces: rows of any sizes as pieces of about the same number of bytes, for
// threads to share.
//
//   const RowPieces<ConstRow> pieces(rows, /*bytes_per_piece=*/1 << 18);
//   for (size_t piece = 0; piece < pieces.size(); ++piece) {
//     pieces.ForEachPart(piece, [&](size_t row, size_t offset, size_t bytes) {
//       ...
//     });
//   }

#ifndef EPLB_KERNELS_CPU_ROW_PIECES_H_
#define EPLB_KERNELS_CPU_ROW_PIECES_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// `Row` has a member num_bytes. Immutable; the rows outlive it.
template <typename Row>
class RowPieces {
 public:
  // Rows are cut at multiples of this, so that every part but a row's last
  // holds whole cache lines.
  static constexpr size_t kGrainBytes = 4096;

  // `bytes_per_piece` is at least kGrainBytes.
  RowPieces(absl::Span<const Row> rows, size_t bytes_per_piece) : rows_(rows) {
    size_t room = 0;
    for (size_t row = 0; row < rows.size(); ++row) {
      size_t offset = 0;
      while (rows[row].num_bytes - offset > room) {
        // What is left of this piece takes whole grains of the row.
        offset += room - room % kGrainBytes;
        cuts_.push_back({row, offset});
        room = bytes_per_piece;
      }
      room -= rows[row].num_bytes - offset;
    }
    num_pieces_ = cuts_.size();
    cuts_.push_back({rows.size(), 0});
  }

  size_t size() const { return num_pieces_; }

  // Calls `visit(row, offset, num_bytes)` for each part of `piece`.
  template <typename Visit>
  void ForEachPart(size_t piece, Visit visit) const {
    const Cut end = cuts_[piece + 1];
    for (Cut at = cuts_[piece]; at.row < end.row || at.offset < end.offset;
         at = {at.row + 1, 0}) {
      const size_t part_end =
          at.row == end.row ? end.offset : rows_[at.row].num_bytes;
      visit(at.row, at.offset, part_end - at.offset);
      if (at.row == end.row) return;
    }
  }

 private:
  // Where a piece begins.
  struct Cut {
    size_t row;
    size_t offset;
  };

  absl::Span<const Row> rows_;
  std::vector<Cut> cuts_;
  size_t num_pieces_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_ROW_PIECES_H_
