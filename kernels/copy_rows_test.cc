#include "kernels/copy_rows.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

// Nothing is read or written: any address but null will do.
CopyRow Row(uintptr_t to, uintptr_t from, size_t num_bytes) {
  return {reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from),
          num_bytes};
}

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
}

TEST(CheckCopyRowsTest, NamesTwoRowsThatWriteTheSameByte) {
  EXPECT_THAT(
      CheckCopyRows({Row(0x100, 0x900, 16), Row(0x10f, 0xa00, 16)}),
      Refuses("destination of row 0, [0x100, 0x110), overlaps the destination "
              "of row 1, [0x10f, 0x11f)"));
  EPLB_EXPECT_OK(CheckCopyRows({Row(0x100, 0x900, 16), Row(0x110, 0xa00, 16)}));
}

TEST(CheckCopyRowsTest, NamesARowThatReadsWhatAnotherWrites) {
  EXPECT_THAT(CheckCopyRows({Row(0x110, 0x900, 16), Row(0x200, 0x101, 16)}),
              Refuses("destination of row 0, [0x110, 0x120), overlaps the "
                      "source of row 1, [0x101, 0x111)"));
  EPLB_EXPECT_OK(CheckCopyRows({Row(0x110, 0x900, 16), Row(0x200, 0x100, 16)}));
}

TEST(CheckCopyRowsTest, ARowMayOnlyBeItsOwnSourceAsAWhole) {
  EPLB_EXPECT_OK(CheckCopyRows({Row(0x100, 0x100, 16)}));
  EXPECT_THAT(CheckCopyRows({Row(0x100, 0x101, 16)}),
              Refuses("destination of row 0, [0x100, 0x110), overlaps the "
                      "source of row 0, [0x101, 0x111)"));
  // Another row that reads it sees either state: the same bytes, but the
  // promise to the caller is simpler without exceptions.
  EXPECT_THAT(CheckCopyRows({Row(0x100, 0x100, 16), Row(0x200, 0x108, 16)}),
              Refuses("source of row 1"));
}

TEST(CheckCopyRowsTest, SourcesMayOverlap) {
  EPLB_EXPECT_OK(CheckCopyRows(
      {Row(0x100, 0x900, 16), Row(0x110, 0x900, 16), Row(0x120, 0x908, 16)}));
}

TEST(CheckCopyRowsTest, RowsOfNothingAreRight) {
  EPLB_EXPECT_OK(CheckCopyRows({}));
  EPLB_EXPECT_OK(CheckCopyRows(
      {Row(0, 0, 0), Row(0x100, 0x900, 16), Row(0x108, 0x108, 0)}));
}

TEST(CheckCopyRowsTest, RefusesAddressesThatCannotBe) {
  EXPECT_THAT(CheckCopyRows({Row(0x100, 0x900, 16), Row(0, 0x900, 16)}),
              Refuses("row 1 of 16 bytes has a null destination"));
  EXPECT_THAT(CheckCopyRows({Row(0x100, 0, 16)}),
              Refuses("row 0 of 16 bytes has a null source"));
  EXPECT_THAT(CheckCopyRows({Row(0x100, ~uintptr_t{0} - 7, 16)}),
              Refuses("row 0 of 16 bytes reaches past the end"));
}

bool Overlap(uintptr_t a, uintptr_t b, const CopyRow& first,
             const CopyRow& second) {
  return a < b + second.num_bytes && b < a + first.num_bytes &&
         first.num_bytes > 0 && second.num_bytes > 0;
}

// The rule as it reads, over all pairs.
bool IsRight(const std::vector<CopyRow>& rows) {
  const auto address = [](const void* p) {
    return reinterpret_cast<uintptr_t>(p);
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const uintptr_t to = address(rows[i].destination);
    for (size_t j = 0; j < rows.size(); ++j) {
      const uintptr_t other_from = address(rows[j].source);
      if (i != j &&
          Overlap(to, address(rows[j].destination), rows[i], rows[j])) {
        return false;
      }
      if ((i != j || to != other_from) &&
          Overlap(to, other_from, rows[i], rows[j])) {
        return false;
      }
    }
  }
  return true;
}

TEST(CheckCopyRowsTest, FindsWhatALookAtAllPairsFinds) {
  int num_right = 0;
  constexpr int kBatches = 20000;
  for (uint64_t seed = 1; seed <= kBatches; ++seed) {
    DeterministicRandom random(seed);
    const int64_t space = 20 + random.NextBelow(2000);
    std::vector<CopyRow> rows;
    const int64_t num_rows = 1 + random.NextBelow(6);
    for (int64_t i = 0; i < num_rows; ++i) {
      const uintptr_t from = 1 + random.NextBelow(space);
      const uintptr_t to =
          random.NextBelow(4) == 0 ? from : 1 + random.NextBelow(space);
      rows.push_back(Row(to, from, random.NextBelow(20)));
    }
    num_right += IsRight(rows);
    ASSERT_EQ(CheckCopyRows(rows).ok(), IsRight(rows)) << "seed " << seed;
  }
  // Both answers are really asked for.
  EXPECT_GT(num_right, kBatches / 10);
  EXPECT_LT(num_right, kBatches * 9 / 10);
}

}  // namespace
}  // namespace eplb
