#include "kernels/map_and_record.h"

#include <cstdint>
#include <limits>
#include <set>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(ReplicaChoiceTest, HasANameThatParses) {
  for (const ReplicaChoice choice :
       {ReplicaChoice::kHash, ReplicaChoice::kSpread, ReplicaChoice::kWeighted,
        ReplicaChoice::kLocalFirst}) {
    EXPECT_THAT(ParseReplicaChoice(ReplicaChoiceName(choice)),
                IsOkAndHolds(choice));
  }
  EXPECT_THAT(ParseReplicaChoice("hsah"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"hsah\"; there are hash, spread")));
}

TEST(HashReplicaTest, IsTheRemainderForEveryCount) {
  for (uint64_t count = 1; count < 3000; ++count) {
    const uint64_t reciprocal =
        std::numeric_limits<uint64_t>::max() / count + 1;
    for (uint64_t token = 0; token < 300; ++token) {
      const uint32_t position = ReplicaPosition(token, 0);
      ASSERT_EQ(position, token * 2654435769u % (uint64_t{1} << 32));
      ASSERT_EQ(HashReplica(position, reciprocal, count), position % count)
          << position << " by " << count;
    }
    // The ends of the range, where a reciprocal that is too coarse shows.
    for (const uint32_t position :
         {0u, 1u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu}) {
      ASSERT_EQ(HashReplica(position, reciprocal, count), position % count)
          << position << " by " << count;
    }
  }
}

TEST(SpreadOffsetTest, TheFirstRanksCoverTheCircleEvenly) {
  EXPECT_EQ(SpreadOffset(0), 0u);
  EXPECT_EQ(SpreadOffset(1), 0x80000000u);
  EXPECT_EQ(SpreadOffset(2), 0x40000000u);
  EXPECT_EQ(SpreadOffset(3), 0xc0000000u);
  std::set<uint32_t> offsets;
  for (int rank = 0; rank < 64; ++rank) {
    offsets.insert(SpreadOffset(rank) / (uint32_t{1} << 26));
  }
  EXPECT_EQ(offsets.size(), 64u);
}

MapAndRecordPass ValidPass() {
  static constexpr int32_t kInts[4] = {};
  static constexpr uint64_t kReciprocals[1] = {};
  static constexpr uint32_t kShares[1] = {};
  static int32_t written[4];
  return {.table = {.num_experts = 1,
                    .max_slots = 4,
                    .row_begin = kInts,
                    .slots = kInts,
                    .reciprocals = kReciprocals,
                    .share_ends = kShares},
          .logical_ids = kInts,
          .num_tokens = 2,
          .top_k = 2,
          .slot_ids = written,
          .slot_counts = written};
}

template <typename Change>
void ExpectRefused(Change change, const char* message) {
  MapAndRecordPass pass = ValidPass();
  change(pass);
  EXPECT_THAT(pass.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(MapAndRecordPassTest, NamesTheFieldThatIsWrong) {
  EPLB_EXPECT_OK(ValidPass().Validate());
  ExpectRefused([](auto& pass) { pass.num_tokens = -1; }, "num_tokens is -1");
  ExpectRefused([](auto& pass) { pass.top_k = 0; }, "top_k is 0");
  ExpectRefused([](auto& pass) { pass.num_tokens = 1 << 30; },
                "num_tokens * top_k is 2147483648");
  ExpectRefused([](auto& pass) { pass.rank = -1; }, "rank is -1");
  ExpectRefused([](auto& pass) { pass.table.num_experts = 0; },
                "table.num_experts is 0");
  ExpectRefused([](auto& pass) { pass.table.max_slots = 0; },
                "table.max_slots is 0");
  ExpectRefused([](auto& pass) { pass.table.row_begin = nullptr; },
                "table.row_begin is null");
  ExpectRefused([](auto& pass) { pass.table.slots = nullptr; },
                "table.slots is null");
  ExpectRefused([](auto& pass) { pass.table.reciprocals = nullptr; },
                "table.reciprocals is null");
  ExpectRefused([](auto& pass) { pass.table.share_ends = nullptr; },
                "table.share_ends is null");
  ExpectRefused([](auto& pass) { pass.logical_ids = nullptr; },
                "logical_ids is null");
  ExpectRefused([](auto& pass) { pass.slot_ids = nullptr; },
                "slot_ids is null");
  ExpectRefused([](auto& pass) { pass.slot_counts = nullptr; },
                "slot_counts is null");
}

TEST(MapAndRecordPassTest, NoTokensNeedNoMemory) {
  MapAndRecordPass pass = ValidPass();
  pass.num_tokens = 0;
  pass.logical_ids = nullptr;
  pass.slot_ids = nullptr;
  pass.slot_counts = nullptr;
  EPLB_EXPECT_OK(pass.Validate());
}

}  // namespace
}  // namespace eplb
