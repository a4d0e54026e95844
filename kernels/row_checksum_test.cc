#include "kernels/row_checksum.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

uint64_t ChecksumOf(const std::vector<uint8_t>& row) {
  return FinishRowChecksum(RowChecksumPart(row.data(), row.size(), 0),
                           row.size());
}

std::vector<uint8_t> RandomRow(size_t num_bytes, uint64_t seed) {
  DeterministicRandom random(seed);
  std::vector<uint8_t> row(num_bytes);
  for (uint8_t& byte : row) byte = random.NextWord();
  return row;
}

// The definition, a byte at a time.
uint64_t ByDefinition(const std::vector<uint8_t>& row) {
  uint64_t sum = 0;
  for (size_t begin = 0; begin < row.size(); begin += 8) {
    uint64_t word = 0;
    for (size_t i = begin; i < row.size() && i < begin + 8; ++i) {
      word |= uint64_t{row[i]} << (8 * (i - begin));
    }
    const uint64_t x = word ^ (begin / 8 + 1) * 0x9e3779b97f4a7c15u;
    sum += ((x & 0xffffffff) + 1) * ((x >> 32) + 0x100000000u);
  }
  return FinishRowChecksum(sum, row.size());
}

TEST(RowChecksumTest, IsTheDefinitionForEverySize) {
  for (size_t num_bytes = 0; num_bytes < 300; ++num_bytes) {
    const std::vector<uint8_t> row = RandomRow(num_bytes, num_bytes);
    ASSERT_EQ(ChecksumOf(row), ByDefinition(row)) << num_bytes << " bytes";
  }
}

// Ranks of different builds compare checksums: these must never change.
TEST(RowChecksumTest, HasTheSameBitsEverywhere) {
  EXPECT_EQ(ChecksumOf({}), 0u);
  EXPECT_EQ(ChecksumOf({0}), 983267480007047260u);
  EXPECT_EQ(ChecksumOf({1, 2, 3, 4, 5, 6, 7, 8, 9}), 249599465653184231u);
}

TEST(RowChecksumTest, PartsAddUpInAnyOrder) {
  const std::vector<uint8_t> row = RandomRow(1003, /*seed=*/1);
  uint64_t sum = RowChecksumPart(row.data() + 512, 491, /*first_word=*/64);
  sum += RowChecksumPart(row.data(), 8, /*first_word=*/0);
  sum += RowChecksumPart(row.data() + 8, 504, /*first_word=*/1);
  EXPECT_EQ(FinishRowChecksum(sum, row.size()), ChecksumOf(row));
}

TEST(RowChecksumTest, SeesEveryBitThatFlips) {
  std::vector<uint8_t> row = RandomRow(100, /*seed=*/1);
  std::set<uint64_t> sums = {ChecksumOf(row)};
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    row[bit / 8] ^= 1 << bit % 8;
    EXPECT_TRUE(sums.insert(ChecksumOf(row)).second) << "bit " << bit;
    row[bit / 8] ^= 1 << bit % 8;
  }
}

TEST(RowChecksumTest, SeesLengthAndOrder) {
  std::set<uint64_t> sums;
  for (size_t num_bytes = 0; num_bytes < 100; ++num_bytes) {
    EXPECT_TRUE(sums.insert(ChecksumOf(std::vector<uint8_t>(num_bytes))).second)
        << num_bytes << " zeros";
  }
  // Two words that change places.
  const std::vector<uint8_t> row = RandomRow(800, /*seed=*/1);
  for (size_t word = 1; word < 100; ++word) {
    std::vector<uint8_t> swapped = row;
    std::swap_ranges(swapped.begin(), swapped.begin() + 8,
                     swapped.begin() + 8 * word);
    EXPECT_NE(ChecksumOf(swapped), ChecksumOf(row)) << "word " << word;
  }
}

}  // namespace
}  // namespace eplb
