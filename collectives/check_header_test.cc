#include "collectives/check_header.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::ElementsAre;
using testing::Field;

CheckHeader Distinct() {
  CheckHeader header;
  header.operation = Operation::kExchange;
  header.element_type = CheckHeader::ElementType::kInt64;
  header.epoch = 0x0102030405060708;
  header.sequence = 2;
  header.num_bytes = 3;
  header.root = -4;
  header.clone_name_hash = 5;
  header.state = 6;
  header.forward_id = 7;
  header.model = 8;
  header.layer = -9;
  header.installed_placement_hash = 10;
  header.planned_placement_hash = 11;
  header.configuration_hash = 12;
  header.weight_layout_hash = 13;
  header.pairing_sum = 14;
  header.value = -15;
  return header;
}

TEST(CheckHeaderTest, LayoutIsFixedForEver) {
  const auto bytes = Distinct().Serialize();
  const auto at = [&](size_t offset) {
    return std::to_integer<int>(bytes[offset]);
  };
  ASSERT_EQ(bytes.size(), 192);
  EXPECT_EQ(std::vector<int>({at(0), at(1), at(2), at(3)}),
            std::vector<int>({'E', 'P', 'L', 'B'}));
  EXPECT_EQ(at(4), 1);
  EXPECT_EQ(at(6), 5);
  EXPECT_EQ(at(7), 1);
  // Lowest byte first.
  for (int i = 0; i < 8; ++i) EXPECT_EQ(at(8 + i), 8 - i);
  const std::vector<int> rising = {2, 3,       256 - 4, 5,  6,  7,
                                   8, 256 - 9, 10,      11, 12, 13};
  for (size_t i = 0; i < rising.size(); ++i) {
    EXPECT_EQ(at(16 + 8 * i), rising[i]) << "offset " << 16 + 8 * i;
  }
  for (size_t offset = 112; offset < 160; ++offset) EXPECT_EQ(at(offset), 0);
  EXPECT_EQ(at(160), 14);
  EXPECT_EQ(at(168), 256 - 15);
}

TEST(CheckHeaderTest, ParsesWhatItSerialises) {
  const auto bytes = Distinct().Serialize();
  EPLB_ASSERT_OK_AND_ASSIGN(const CheckHeader parsed,
                            CheckHeader::Parse(bytes));
  EXPECT_EQ(parsed.Serialize(), bytes);
  EXPECT_EQ(parsed.layer, -9);
  EXPECT_EQ(parsed.value, -15);
}

TEST(CheckHeaderTest, NoticesEveryFlippedBit) {
  const auto bytes = Distinct().Serialize();
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_THAT(CheckHeader::Parse(damaged),
                StatusIs(absl::StatusCode::kDataLoss))
        << "bit " << bit;
  }
}

TEST(CheckHeaderTest, ReadsAnAlikeHeaderWithoutItsFields) {
  const CheckHeader own = Distinct();
  const auto own_bytes = own.Serialize();
  const AlikeHeaderReader reader(own, own_bytes);
  CheckHeader other = own;
  other.pairing_sum = 77;
  other.value = -78;
  const auto bytes = other.Serialize();
  CheckHeader read;
  ASSERT_TRUE(reader.Read(bytes, read));
  EXPECT_EQ(read.Serialize(), bytes);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(reader.Read(damaged, read)) << "bit " << bit;
  }
  other.layer = 3;
  EXPECT_FALSE(reader.Read(other.Serialize(), read));
}

TEST(CheckHeaderTest, RefusesAnotherLength) {
  const auto bytes = Distinct().Serialize();
  for (const size_t length : {0, 3, 191}) {
    EXPECT_THAT(CheckHeader::Parse(absl::MakeSpan(bytes).first(length)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(CheckHeaderTest, NamesTheFieldsThatDifferAndWhoHoldsWhat) {
  std::vector<CheckHeader> header_of_rank(3);
  header_of_rank[1].layer = 4;
  header_of_rank[2].operation = Operation::kAllGather;
  // Each rank's own.
  header_of_rank[0].value = 7;
  header_of_rank[0].pairing_sum = 9;
  EXPECT_THAT(
      CompareHeaders(header_of_rank),
      ElementsAre(AllOf(Field(&HeaderDifference::field, "operation"),
                        Field(&HeaderDifference::values,
                              "Barrier on ranks 0-1; AllGather on rank 2"),
                        Field(&HeaderDifference::is_about_operation, true)),
                  AllOf(Field(&HeaderDifference::field, "layer"),
                        Field(&HeaderDifference::values,
                              "-1 on ranks 0, 2; 4 on rank 1"),
                        Field(&HeaderDifference::is_about_operation, false))));
}

TEST(CheckHeaderTest, EqualHeadersHaveNoDifference) {
  EXPECT_THAT(CompareHeaders(std::vector<CheckHeader>(5, Distinct())),
              ElementsAre());
}

}  // namespace
}  // namespace eplb
