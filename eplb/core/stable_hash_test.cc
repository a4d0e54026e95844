#include "eplb/core/stable_hash.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

uint64_t HashOf(const std::vector<int32_t>& values) {
  return StableHash().Add(absl::MakeConstSpan(values)).value();
}

// Ranks of different builds compare hashes: these must never change.
TEST(StableHashTest, HasTheSameBitsEverywhere) {
  EXPECT_EQ(StableHash().value(), 0x45504c42u);
  EXPECT_EQ(StableHash().Add(uint64_t{0}).value(), 0xc999e785e5e11eb8u);
  EXPECT_EQ(StableHash().Add(uint64_t{1}).Add(uint64_t{2}).value(),
            0xf0939814744d58f0u);
  EXPECT_EQ(HashOf({}), 0xc999e785e5e11eb8u);
  EXPECT_EQ(HashOf({1, -1, 7}), 0xb540d811e6d50f5cu);
  EXPECT_EQ(HashOf({1, -1, 7, 0}), 0x92d835d940769f1u);
  EXPECT_EQ(StableHash().Add("EPLB").value(), 0x7d82608c2a9948a6u);
  EXPECT_EQ(StableHash().Add(absl::string_view("\xff\0x", 3)).value(),
            0x8cfd2f78c4713245u);
}

TEST(StableHashTest, OrderMatters) {
  EXPECT_NE(HashOf({1, 2}), HashOf({2, 1}));
  EXPECT_NE(StableHash().Add(uint64_t{1}).Add(uint64_t{2}).value(),
            StableHash().Add(uint64_t{2}).Add(uint64_t{1}).value());
  EXPECT_NE(StableHash().Add("ab").value(), StableHash().Add("ba").value());
}

TEST(StableHashTest, LengthMatters) {
  EXPECT_NE(HashOf({}), StableHash().value());
  EXPECT_NE(HashOf({0}), HashOf({0, 0}));
  EXPECT_NE(HashOf({1}), HashOf({1, 0}));
  EXPECT_NE(StableHash().Add("a").Add("bc").value(),
            StableHash().Add("ab").Add("c").value());
}

TEST(StableHashTest, EveryBitMatters) {
  const std::vector<int32_t> values = {3, -1, 0, 65536, 7};
  std::set<uint64_t> hashes = {HashOf(values)};
  for (size_t i = 0; i < values.size(); ++i) {
    for (int bit = 0; bit < 32; ++bit) {
      std::vector<int32_t> changed = values;
      changed[i] ^= static_cast<int32_t>(1u << bit);
      hashes.insert(HashOf(changed));
    }
  }
  EXPECT_EQ(hashes.size(), 1 + values.size() * 32);
}

TEST(StableHashTest, HashesOfSimilarInputsDiffer) {
  std::set<uint64_t> hashes;
  for (uint64_t a = 0; a < 300; ++a) {
    for (uint64_t b = 0; b < 300; ++b) {
      hashes.insert(StableHash().Add(a).Add(b).value());
    }
  }
  EXPECT_EQ(hashes.size(), 300u * 300u);
}

TEST(StableHashTest, AChangedBitChangesHalfOfTheHash) {
  int changed_bits = 0;
  for (uint64_t word = 0; word < 1000; ++word) {
    for (int bit = 0; bit < 64; ++bit) {
      changed_bits += std::popcount(
          StableHash().Add(word).Add(uint64_t{0}).value() ^
          StableHash().Add(word ^ uint64_t{1} << bit).Add(uint64_t{0}).value());
    }
  }
  EXPECT_NEAR(changed_bits / (1000.0 * 64), 32, 0.5);
}

}  // namespace
}  // namespace eplb
