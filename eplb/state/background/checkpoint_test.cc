#include "eplb/state/background/checkpoint.h"

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

Checkpoint At(int64_t version) { return {.weights_version = version}; }

TEST(CheckpointTest, ARunGoesOnWhileNobodyObjects) {
  EXPECT_EQ(Combine({At(3), At(3)}, 3).reason_to_end, "");
}

TEST(CheckpointTest, NamesTheFirstRankThatEndsTheRun) {
  Checkpoint drains = At(0);
  drains.wish = Checkpoint::kDrain;
  EXPECT_EQ(Combine({At(0), drains, drains}, 0).reason_to_end, "rank 1 drains");
  Checkpoint full = At(0);
  full.wish = Checkpoint::kNoRoom;
  EXPECT_FALSE(Combine({At(0), drains}, 0).is_short_of_room);
  EXPECT_TRUE(Combine({At(0), full}, 0).is_short_of_room);
  EXPECT_EQ(
      Combine({full}, 0).reason_to_end,
      "rank 0 has no room to stage: its serving thread gets to no switch");
}

TEST(CheckpointTest, EndsWhenTheWeightsOfAnyRankAreNotThoseThatWereStaged) {
  EXPECT_EQ(Combine({At(3), At(4)}, 3).reason_to_end,
            "rank 1 has other weights than before");
  EXPECT_EQ(Combine({At(4), At(4)}, 3).reason_to_end,
            "rank 0 has other weights than before");
}

// Each rank compares with the version that it staged from itself: ranks that
// differ in that end the run everywhere.
TEST(CheckpointTest, EndsOnEveryRankWhenRanksStagedFromDifferentVersions) {
  const std::vector<Checkpoint> all = {At(3), At(4)};
  EXPECT_NE(Combine(all, 3).reason_to_end, "");
  EXPECT_NE(Combine(all, 4).reason_to_end, "");
}

TEST(CheckpointTest, TakesTheLatestFenceBeginAndDrain) {
  const GroupCheckpoint group =
      Combine({{.fence = 5, .last_begin = 2},
               {.fence = 9, .last_begin = -1, .last_drain = -1}},
              0);
  EXPECT_EQ(group.latest_fence, 9);
  EXPECT_EQ(group.last_begin, 2);
  EXPECT_EQ(group.last_drain, -1);
  EXPECT_EQ(Combine({At(0), At(0)}, 0).last_drain, Checkpoint::kNeverDrained);
}

TEST(CheckpointTest, TasksAreCommonUpToTheSlowestRank) {
  const GroupCheckpoint group =
      Combine({{.newest_task = 7, .last_task_taken = 4},
               {.newest_task = 6, .last_task_taken = 5}},
              0);
  EXPECT_EQ(group.common_task, 6);
  EXPECT_EQ(group.last_task_taken, 5);
}

TEST(CheckpointTest, IsGatheredInRankOrder) {
  SystemClock clock;
  const auto results = RunInProcessRanks(
      3, clock, [&](std::unique_ptr<Communicator> communicator) {
        const auto all = GatherCheckpoints(
            {.fence = 10 + communicator->rank()}, *communicator,
            clock.Now() + std::chrono::seconds(60));
        EXPECT_TRUE(all.ok()) << all.status();
        for (int rank = 0; rank < 3; ++rank) {
          EXPECT_EQ((*all)[rank].fence, 10 + rank);
        }
        return all.status();
      });
  for (const absl::Status& result : results) EPLB_EXPECT_OK(result);
}

}  // namespace
}  // namespace eplb
