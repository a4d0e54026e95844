#include "kernels/cpu/row_pieces.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

constexpr size_t kGrain = RowPieces<ConstRow>::kGrainBytes;

TEST(RowPiecesTest, CoversEveryByteOnceInOrder) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const size_t max_row = int64_t{1} << random.NextBelow(18);
    const size_t bytes_per_piece = kGrain + random.NextBelow(20 * kGrain);
    std::vector<ConstRow> rows(random.NextBelow(60));
    for (ConstRow& row : rows) row.num_bytes = random.NextBelow(max_row + 1);

    const RowPieces<ConstRow> pieces(rows, bytes_per_piece);
    std::vector<size_t> covered(rows.size());
    size_t last_row = 0;
    for (size_t piece = 0; piece < pieces.size(); ++piece) {
      size_t in_piece = 0;
      pieces.ForEachPart(piece, [&](size_t row, size_t offset, size_t bytes) {
        ASSERT_LT(row, rows.size());
        EXPECT_GE(row, last_row);
        last_row = row;
        EXPECT_EQ(offset, covered[row]);
        EXPECT_EQ(offset % kGrain, 0u);
        covered[row] += bytes;
        in_piece += bytes;
      });
      EXPECT_LE(in_piece, bytes_per_piece);
      EXPECT_GT(in_piece, 0u);
      // Only the last, and one that a grain did not fit into, are not full.
      if (piece + 1 < pieces.size()) {
        EXPECT_GT(in_piece + kGrain, bytes_per_piece);
      }
    }
    for (size_t row = 0; row < rows.size(); ++row) {
      EXPECT_EQ(covered[row], rows[row].num_bytes) << "row " << row;
    }
  }
}

TEST(RowPiecesTest, HasNoPiecesForNoBytes) {
  EXPECT_EQ(RowPieces<ConstRow>({}, kGrain).size(), 0u);
  const std::vector<ConstRow> empty_rows(3);
  EXPECT_EQ(RowPieces<ConstRow>(empty_rows, kGrain).size(), 0u);
}

}  // namespace
}  // namespace eplb
