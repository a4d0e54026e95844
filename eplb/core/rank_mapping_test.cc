#include "eplb/core/rank_mapping.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/topology.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

constexpr int kNone = RankMapping::kNone;
constexpr int kLargest = std::numeric_limits<int>::max();
constexpr int kSmallest = std::numeric_limits<int>::min();

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

TEST(RankMappingTest, AGroupMayShrink) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RankMapping mapping,
                            RankMapping::Create({0, kNone, 1, 2}, 3));
  EXPECT_EQ(mapping.num_old_ranks(), 4);
  EXPECT_EQ(mapping.num_new_ranks(), 3);
  EXPECT_EQ(mapping.NewRank(1), kNone);
  EXPECT_EQ(mapping.NewRank(3), 2);
  EXPECT_EQ(mapping.OldRank(1), 2);
}

TEST(RankMappingTest, AGroupMayGrow) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RankMapping mapping,
                            RankMapping::Create({2, 0}, 4));
  EXPECT_EQ(mapping.OldRank(0), 1);
  EXPECT_EQ(mapping.OldRank(1), kNone);
  EXPECT_EQ(mapping.OldRank(2), 0);
  EXPECT_EQ(mapping.OldRank(3), kNone);
}

TEST(RankMappingTest, AllMayLeave) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RankMapping mapping,
                            RankMapping::Create({kNone, kNone}, 1));
  EXPECT_EQ(mapping.OldRank(0), kNone);
}

TEST(RankMappingTest, IdentityKeepsEveryRank) {
  EXPECT_THAT(RankMapping::Identity(3),
              IsOkAndHolds(*RankMapping::Create({0, 1, 2}, 3)));
}

TEST(RankMappingTest, RefusesAnEmptyGroup) {
  EXPECT_THAT(
      RankMapping::Create({}, 2),
      Refuses("a rank mapping from 0 to 2 ranks: both must be at least 1"));
  EXPECT_THAT(
      RankMapping::Create({0}, 0),
      Refuses("a rank mapping from 1 to 0 ranks: both must be at least 1"));
  EXPECT_THAT(RankMapping::Create({0}, kSmallest),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      RankMapping::Identity(0),
      Refuses("a rank mapping from 0 to 0 ranks: both must be at least 1"));
  EXPECT_THAT(RankMapping::Identity(kSmallest),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RankMappingTest, RefusesANewRankOutOfRange) {
  EXPECT_THAT(RankMapping::Create({0, 3, 1}, 3),
              Refuses("old rank 1: new rank 3 is neither -1 nor in [0, 3)"));
  EXPECT_THAT(RankMapping::Create({0, 1, -2}, 3),
              Refuses("old rank 2: new rank -2 is neither -1 nor in [0, 3)"));
}

TEST(RankMappingTest, RefusesTwoOldRanksForOneNewRank) {
  EXPECT_THAT(RankMapping::Create({2, 0, 2}, 3),
              Refuses("old ranks 0 and 2 both become new rank 2"));
}

TEST(RankMappingTest, GroupsAreCappedAtTheirLargestSize) {
  EXPECT_THAT(RankMapping::Identity(kMaxRanks), IsOk());
  EXPECT_THAT(
      RankMapping::Create({0}, kLargest),
      Refuses("a rank mapping from 1 to 2147483647 ranks: more than 1048576"));
  EXPECT_THAT(RankMapping::Create(std::vector<int>(kMaxRanks + 1, kNone), 1),
              Refuses("a rank mapping from 1048577 to 1 ranks: more than "
                      "1048576"));
  EXPECT_THAT(RankMapping::Identity(kLargest),
              Refuses("a rank mapping from 2147483647 to 2147483647 ranks: "
                      "more than 1048576"));
}

TEST(RankMappingTest, OldAndNewRanksAreEachOthersInverse) {
  DeterministicRandom random(1);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(absl::StrCat("seed 1, round ", round));
    const int num_new_ranks = 1 + static_cast<int>(random.NextBelow(20));
    std::vector<bool> taken(num_new_ranks, false);
    std::vector<int> new_of_old(1 + random.NextBelow(20), kNone);
    for (int& new_rank : new_of_old) {
      const int wanted = static_cast<int>(random.NextBelow(num_new_ranks));
      if (!taken[wanted]) new_rank = wanted;
      taken[wanted] = true;
    }
    EPLB_ASSERT_OK_AND_ASSIGN(const RankMapping mapping,
                              RankMapping::Create(new_of_old, num_new_ranks));
    for (int old_rank = 0; old_rank < mapping.num_old_ranks(); ++old_rank) {
      EXPECT_EQ(mapping.NewRank(old_rank), new_of_old[old_rank]);
      if (new_of_old[old_rank] != kNone) {
        EXPECT_EQ(mapping.OldRank(new_of_old[old_rank]), old_rank);
      }
    }
    for (int new_rank = 0; new_rank < num_new_ranks; ++new_rank) {
      EXPECT_EQ(mapping.OldRank(new_rank) != kNone, taken[new_rank]);
    }
  }
}

}  // namespace
}  // namespace eplb
