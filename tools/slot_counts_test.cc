#include "tools/slot_counts.h"

#include "eplb/core/placement.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

TEST(SlotCountsTest, CountsReplicasDuplicatesAndEmptySlots) {
  // Rank 0 holds expert 0 three times, rank 1 once.
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Placement placement,
      Placement::Create(1, 2, 8, {0, 1, 0, 0, 0, -1, 1, -1}));
  const SlotCounts counts = CountSlots(placement, /*num_ranks=*/2, 0);
  EXPECT_EQ(counts.most_replicas, 4);
  EXPECT_EQ(counts.duplicate_slots, 2);
  EXPECT_EQ(counts.empty_slots, 2);
}

}  // namespace
}  // namespace eplb
