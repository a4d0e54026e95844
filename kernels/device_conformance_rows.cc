// What every device does with rows of bytes: copies and checksums.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/device_conformance.h"
#include "kernels/row_checksum.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {

using ::testing::AllOf;
using ::testing::HasSubstr;

void DeviceConformanceTest::ExpectCopies(const std::vector<Row>& rows,
                                         size_t num_bytes, uint64_t seed) {
  const Memory from = AllocateRandom(num_bytes, seed);
  const Memory to = AllocateRandom(num_bytes, seed + 1);
  std::vector<uint8_t> expected(to.host(), to.host() + num_bytes);
  std::vector<CopyRow> batch;
  for (const Row& row : rows) {
    batch.push_back(
        {to.data() + row.to, from.data() + row.from, row.num_bytes});
    std::copy_n(from.host() + row.from, row.num_bytes,
                expected.begin() + row.to);
  }
  CopyNow(batch);
  Download(to);
  const auto wrong =
      std::mismatch(expected.begin(), expected.end(), to.host()).first;
  EXPECT_TRUE(wrong == expected.end())
      << "byte " << wrong - expected.begin() << " of " << num_bytes;
}

namespace {

using Row = DeviceConformanceTest::Row;

// Rows one after another with gaps, so that the destinations have all kinds of
// alignment and none overlaps.
std::vector<Row> RandomRows(size_t num_bytes, size_t max_row_bytes,
                            DeterministicRandom& random) {
  std::vector<Row> rows;
  size_t to = random.NextBelow(64);
  while (true) {
    // Evenly on a logarithmic scale, with rows of nothing.
    const auto row_bytes = static_cast<size_t>(
        std::exp2(random.NextUniform() * std::log2(max_row_bytes)) - 1);
    if (to + row_bytes > num_bytes) break;
    rows.push_back(
        {to, static_cast<size_t>(random.NextBelow(num_bytes - row_bytes + 1)),
         row_bytes});
    to += row_bytes + random.NextBelow(40);
  }
  for (size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[random.NextBelow(i)]);
  }
  return rows;
}

TEST_P(DeviceConformanceTest, CopiesEverySizeAtEveryAlignment) {
  std::vector<Row> rows;
  size_t to = 0;
  for (size_t to_offset = 0; to_offset < 16; ++to_offset) {
    for (size_t from_offset = 0; from_offset < 16; ++from_offset) {
      for (size_t num_bytes = 0; num_bytes < 70; ++num_bytes) {
        rows.push_back({to + to_offset, to + from_offset, num_bytes});
        to += 96;
      }
    }
  }
  ExpectCopies(rows, to, /*seed=*/1);
}

TEST_P(DeviceConformanceTest, CopiesRandomBatches) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const size_t num_bytes = 1 + random.NextBelow(3 << 20);
    ExpectCopies(RandomRows(num_bytes, 1 << 18, random), num_bytes, seed);
  }
}

TEST_P(DeviceConformanceTest, CopiesRowsLargerThanAnyCache) {
  constexpr size_t kNumBytes = (48 << 20) + 77;
  ExpectCopies({{0, 5, (16 << 20) + 3},
                {(16 << 20) + 10, 1, 16 << 20},
                {(32 << 20) + 16, 16, (16 << 20) + 61}},
               kNumBytes, /*seed=*/1);
}

TEST_P(DeviceConformanceTest, CopiesOneSourceToManyDestinations) {
  std::vector<Row> rows;
  for (size_t i = 0; i < 100; ++i) rows.push_back({i * 1000, 7, 1000});
  ExpectCopies(rows, 100 * 1000, /*seed=*/1);
}

TEST_P(DeviceConformanceTest, CopiesNothing) {
  CopyNow({});
  CopyNow({{nullptr, nullptr, 0}});
  const Memory memory = AllocateRandom(64, /*seed=*/1);
  CopyNow({{memory.data(), memory.data(), memory.size()}});
}

TEST_P(DeviceConformanceTest, RefusesOverlapAndThenCopiesNothing) {
  const auto refuses = [&](const std::vector<CopyRow>& rows,
                           const auto& message) {
    EXPECT_THAT(device_->CopyBatch(rows, *stream_),
                StatusIs(absl::StatusCode::kInvalidArgument, message));
  };
  const Memory memory = AllocateRandom(1000, /*seed=*/1);
  const std::vector<uint8_t> before(memory.host(), memory.host() + 1000);
  std::byte* data = memory.data();
  refuses({{data, data + 500, 100}, {data + 99, data + 600, 10}},
          AllOf(HasSubstr("row 0"), HasSubstr("destination of row 1")));
  refuses({{data, data + 500, 100}, {data + 200, data + 99, 10}},
          AllOf(HasSubstr("row 0"), HasSubstr("source of row 1")));
  refuses({{data + 10, data, 100}}, HasSubstr("source of row 0"));
  Download(memory);
  EXPECT_EQ(std::vector<uint8_t>(memory.host(), memory.host() + 1000), before);
}

TEST_P(DeviceConformanceTest, ChecksumsAreThoseOfTheDefinition) {
  const Memory memory = AllocateRandom(3 << 20, /*seed=*/1);
  std::vector<Row> rows;
  for (size_t from = 0; from < 16; ++from) {
    for (size_t num_bytes = 0; num_bytes < 150; ++num_bytes) {
      rows.push_back({0, from, num_bytes});
    }
  }
  DeterministicRandom random(/*seed=*/1);
  for (int i = 0; i < 100; ++i) {
    const size_t num_bytes = random.NextBelow(memory.size());
    rows.push_back(
        {0,
         static_cast<size_t>(random.NextBelow(memory.size() - num_bytes + 1)),
         num_bytes});
  }
  std::vector<ConstRow> batch;
  for (const Row& row : rows) {
    batch.push_back({memory.data() + row.from, row.num_bytes});
  }
  std::vector<uint64_t> sums(rows.size(), 1);
  EPLB_ASSERT_OK(
      device_->Checksum(batch, absl::MakeSpan(sums), *stream_, Far()));
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint64_t sum = RowChecksumPart(memory.host() + rows[i].from,
                                         rows[i].num_bytes, /*first_word=*/0);
    ASSERT_EQ(sums[i], FinishRowChecksum(sum, rows[i].num_bytes))
        << rows[i].num_bytes << " bytes from " << rows[i].from;
  }
}

TEST_P(DeviceConformanceTest, ChecksumsSeeTheWorkBefore) {
  const Memory from = AllocateRandom(4 << 20, /*seed=*/1);
  const Memory to = Allocate(4 << 20);
  EPLB_ASSERT_OK(
      device_->CopyBatch({{to.data(), from.data(), to.size()}}, *stream_));
  std::vector<uint64_t> sums(2);
  EPLB_ASSERT_OK(
      device_->Checksum({{to.data(), to.size()}, {from.data(), from.size()}},
                        absl::MakeSpan(sums), *stream_, Far()));
  EXPECT_EQ(sums[0], sums[1]);
}

TEST_P(DeviceConformanceTest, ChecksumsAreRefusedWithoutDataOrPlaceForThem) {
  const Memory memory = Allocate(16);
  std::vector<uint64_t> sums(1);
  EXPECT_THAT(
      device_->Checksum({{memory.data(), 8}, {memory.data(), 8}},
                        absl::MakeSpan(sums), *stream_, Far()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 sums for 2")));
  EXPECT_THAT(
      device_->Checksum({{nullptr, 8}}, absl::MakeSpan(sums), *stream_, Far()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row 0")));
}

}  // namespace
}  // namespace eplb
