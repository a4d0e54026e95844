#include "collectives/peer_watch.h"

#include <chrono>
#include <latch>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What a watch was told.
class Failure {
 public:
  void Set(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    status_ = std::move(status);
    changed_.SignalAll();
  }
  absl::Status Wait() {
    absl::MutexLock lock(&mutex_);
    while (status_.ok()) changed_.Wait(&mutex_);
    return status_;
  }

 private:
  absl::Mutex mutex_;
  absl::CondVar changed_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

class PeerWatchTest : public testing::TestWithParam<int> {
 protected:
  // Rank GetParam() of 3 fails or leaves; returns what the others were told.
  std::vector<absl::Status> Told(bool leaves) {
    SystemClock clock;
    std::latch all_told(3);
    return RunInProcessRanks(
        3, clock, [&](std::unique_ptr<Communicator> control) -> absl::Status {
          Failure failure;
          EPLB_ASSIGN_OR_RETURN(
              std::unique_ptr<PeerWatch> watch,
              PeerWatch::Start(*control, clock.Now() + std::chrono::minutes(2),
                               [&](absl::Status status) {
                                 failure.Set(std::move(status));
                               }));
          if (control->rank() == GetParam()) {
            if (!leaves) watch->Tell(absl::DataLossError("a checksum"));
            watch = nullptr;
            all_told.arrive_and_wait();
            return absl::OkStatus();
          }
          const absl::Status told = failure.Wait();
          // A rank that leaves before would be the news.
          all_told.arrive_and_wait();
          return told;
        });
  }
};

TEST_P(PeerWatchTest, TellsEveryOtherRankOfAFailure) {
  const std::vector<absl::Status> told = Told(/*leaves=*/false);
  for (int rank = 0; rank < 3; ++rank) {
    if (rank == GetParam()) continue;
    EXPECT_THAT(told[rank],
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("rank"), HasSubstr("a checksum"))));
  }
}

TEST_P(PeerWatchTest, TellsEveryOtherRankOfALeave) {
  const std::vector<absl::Status> told = Told(/*leaves=*/true);
  for (int rank = 0; rank < 3; ++rank) {
    if (rank == GetParam()) continue;
    EXPECT_THAT(told[rank], StatusIs(absl::StatusCode::kUnavailable,
                                     HasSubstr("it has left")));
  }
}

TEST(PeerWatchOwnWordTest, ARankHearsItsOwnWordAlsoBeforeItsThreadHasBegun) {
  SystemClock clock;
  for (int i = 0; i < 100; ++i) {
    const auto heard = RunInProcessRanks(
        2, clock, [&](std::unique_ptr<Communicator> control) -> absl::Status {
          Failure failure;
          EPLB_ASSIGN_OR_RETURN(
              std::unique_ptr<PeerWatch> watch,
              PeerWatch::Start(*control, clock.Now() + std::chrono::minutes(2),
                               [&](absl::Status status) {
                                 failure.Set(std::move(status));
                               }));
          watch = nullptr;
          return failure.Wait();
        });
    EXPECT_THAT(heard, testing::Each(StatusIs(absl::StatusCode::kUnavailable,
                                              HasSubstr("it has left"))));
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, PeerWatchTest, testing::Values(0, 1, 2));

}  // namespace
}  // namespace eplb
