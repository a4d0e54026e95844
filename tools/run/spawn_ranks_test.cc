#include "tools/run/spawn_ranks.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "tools/run/stop_signal.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Spawns ranks that each run `body` and exit with what it returns.
absl::Status Spawn(int num_ranks, std::chrono::milliseconds grace,
                   absl::FunctionRef<int(int)> body) {
  SystemClock clock;
  const StopSignal stop;
  const absl::StatusOr<std::optional<int>> rank =
      SpawnRanks(num_ranks, clock, grace, stop);
  if (rank.ok() && rank->has_value()) _exit(body(**rank));
  return rank.status();
}

// A process that only a signal ends.
int Forever(int /*rank*/) {
  while (true) pause();
}

TEST(SpawnRanksTest, EveryRankIsAProcess) {
  const TemporaryFolder folder;
  const pid_t parent = getpid();
  EXPECT_THAT(Spawn(5, std::chrono::seconds(30),
                    [&](int rank) {
                      folder.Write(std::to_string(rank), "here");
                      return getpid() == parent || getppid() != parent;
                    }),
              IsOk());
  for (int rank = 0; rank < 5; ++rank) {
    EXPECT_EQ(folder.Read(std::to_string(rank)), "here");
  }
}

TEST(SpawnRanksTest, ExitStatusesComeBackAsWhatTheyMean) {
  const auto end_of_rank_1 = [](int status) {
    return Spawn(2, std::chrono::seconds(30),
                 [status](int rank) { return rank == 1 ? status : 0; });
  };
  EXPECT_THAT(end_of_rank_1(2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("rank 1"), HasSubstr("status 2"))));
  EXPECT_THAT(end_of_rank_1(3), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(end_of_rank_1(1), StatusIs(absl::StatusCode::kInternal));
}

TEST(SpawnRanksTest, ASignalIsTheCauseAlsoWhenOthersAreSeenFirst) {
  EXPECT_THAT(
      Spawn(4, std::chrono::seconds(30),
            [](int rank) {
              if (rank == 2) kill(getpid(), SIGKILL);
              return 3;
            }),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("rank 2"), HasSubstr("signal 9 (Killed)"))));
}

TEST(SpawnRanksTest, WhoDoesNotNoticeIsKilledAfterTheGrace) {
  EXPECT_THAT(Spawn(3, std::chrono::milliseconds(20),
                    [](int rank) { return rank == 1 ? 3 : Forever(rank); }),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 1")));
}

TEST(SpawnRanksTest, TheWishToStopIsHandedOn) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  EXPECT_THAT(Spawn(3, std::chrono::seconds(30),
                    [&](int rank) {
                      signal(SIGINT, [](int) { _exit(0); });
                      char byte = 0;
                      if (rank > 0) {
                        if (write(ready[1], &byte, 1) != 1) return 1;
                      } else {
                        // When all are there to hear of it.
                        for (int i = 0; i < 2; ++i) {
                          if (read(ready[0], &byte, 1) != 1) return 1;
                        }
                        kill(getppid(), SIGTERM);
                      }
                      return Forever(rank);
                    }),
              IsOk());
  close(ready[0]);
  close(ready[1]);
}

// Ends well when it learns of the wish to stop.
int UntilStopped(const StopSignal& stop) {
  while (!stop.requested()) poll(nullptr, 0, /*timeout=*/1);
  return 0;
}

TEST(SpawnRanksTest, WhoDoesNotStopWithTheOthersIsKilledAfterTheGrace) {
  SystemClock clock;
  const StopSignal stop;
  ASSERT_EQ(raise(SIGINT), 0);
  const absl::StatusOr<std::optional<int>> rank =
      SpawnRanks(3, clock, std::chrono::milliseconds(20), stop);
  if (rank.ok() && rank->has_value()) {
    // The first, since others may take longer than the grace to end as well.
    _exit(**rank == 0 ? Forever(**rank) : 0);
  }
  EXPECT_THAT(rank, StatusIs(absl::StatusCode::kUnavailable,
                             AllOf(HasSubstr("rank 0"), HasSubstr("killed"))));
}

TEST(SpawnRanksTest, AWishFromBeforeTheForkReachesAllRanks) {
  SystemClock clock;
  const StopSignal stop;
  ASSERT_EQ(raise(SIGINT), 0);
  const absl::StatusOr<std::optional<int>> rank =
      SpawnRanks(3, clock, std::chrono::seconds(30), stop);
  if (rank.ok() && rank->has_value()) _exit(UntilStopped(stop));
  EXPECT_THAT(rank, IsOk());
}

TEST(SpawnRanksTest, AWishDuringTheForksReachesAllRanks) {
  SystemClock clock;
  const StopSignal stop;
  const absl::StatusOr<std::optional<int>> rank =
      SpawnRanks(8, clock, std::chrono::seconds(30), stop);
  if (rank.ok() && rank->has_value()) {
    if (**rank == 0) kill(getppid(), SIGINT);
    _exit(UntilStopped(stop));
  }
  EXPECT_THAT(rank, IsOk());
}

}  // namespace
}  // namespace eplb
