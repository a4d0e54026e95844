#include "collectives/message_pieces.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

TEST(MessagePiecesTest, NothingNeedsNoPiece) {
  EXPECT_TRUE(CutIntoPieces({}).empty());
  EXPECT_TRUE(CutIntoPieces({0, 0, 0}).empty());
}

TEST(MessagePiecesTest, LargeMessagesAreCut) {
  const auto pieces = CutIntoPieces({2 * kMaxPieceBytes + 1});
  ASSERT_EQ(pieces.size(), 3);
  EXPECT_EQ(pieces[0].num_bytes, kMaxPieceBytes);
  EXPECT_EQ(pieces[1].offset, kMaxPieceBytes);
  EXPECT_EQ(pieces[2].num_bytes, 1);
}

TEST(MessagePiecesTest, SmallMessagesArePacked) {
  const auto pieces = CutIntoPieces(std::vector<size_t>(6000, 20));
  ASSERT_EQ(pieces.size(), 1);
  EXPECT_EQ(pieces[0].num_messages, 6000);
  EXPECT_EQ(pieces[0].num_bytes, 120'000);
}

TEST(MessagePiecesTest, PiecesCoverEveryByteOnceInOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    DeterministicRandom random(seed);
    std::vector<size_t> sizes(random.NextBelow(60));
    for (size_t& size : sizes) {
      size = random.NextBelow(uint64_t{1} << random.NextBelow(26));
    }
    std::vector<size_t> covered(sizes.size());
    size_t message = 0;
    for (const MessagePiece& piece : CutIntoPieces(sizes)) {
      ASSERT_GT(piece.num_bytes, 0);
      ASSERT_LE(piece.num_bytes, kMaxPieceBytes);
      ASSERT_GE(piece.first_message, message);
      message = piece.first_message;
      size_t left = piece.num_bytes;
      for (size_t i = 0; i < piece.num_messages; ++i) {
        ASSERT_EQ(covered[message + i], piece.offset);
        const size_t count = std::min(left, sizes[message + i] - piece.offset);
        covered[message + i] += count;
        left -= count;
      }
      ASSERT_EQ(left, 0);
    }
    EXPECT_EQ(covered, sizes);
  }
}

}  // namespace
}  // namespace eplb
