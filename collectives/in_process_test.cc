#include "collectives/in_process.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + seconds(30);

std::vector<int> AllRanks(int num_ranks) {
  std::vector<int> ranks(num_ranks);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// The communicators of epoch 1 over all ranks.
std::vector<std::unique_ptr<Communicator>> ConnectAll(int num_ranks,
                                                      Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  std::vector<std::unique_ptr<Communicator>> communicators(num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      auto communicator = (*group)->FactoryOfRank(rank)->Connect(
          /*epoch=*/1, AllRanks(num_ranks), clock.Now() + seconds(60));
      EPLB_ASSERT_OK(communicator);
      communicators[rank] = *std::move(communicator);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return communicators;
}

TEST(InProcessTest, HasOneTo512Ranks) {
  FakeClock clock;
  for (const int num_ranks : {-1, 0, 513}) {
    EXPECT_THAT(InProcessGroup::Create(num_ranks, clock),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::to_string(num_ranks) + " ranks")));
  }
}

TEST(InProcessTest, SumsOver512Ranks) {
  FakeClock clock;
  constexpr int kRanks = 512;
  const auto communicators = ConnectAll(kRanks, clock);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      for (const size_t count : {1, 1000}) {
        std::vector<int64_t> values(count, rank);
        EPLB_EXPECT_OK(communicators[rank]->AllReduceSum(absl::MakeSpan(values),
                                                         kDeadline));
        EXPECT_EQ(values, std::vector<int64_t>(count, 511 * 512 / 2));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(InProcessTest, WaitsToTheDeadlineAndNoLonger) {
  FakeClock clock;
  const auto communicators = ConnectAll(3, clock);
  std::atomic<int> returned = 0;
  std::vector<std::thread> threads;
  for (const int rank : {0, 2}) {
    threads.emplace_back([&, rank] {
      EXPECT_THAT(communicators[rank]->Barrier(kDeadline),
                  StatusIs(absl::StatusCode::kDeadlineExceeded,
                           HasSubstr("waiting for rank 1 to call")));
      EXPECT_EQ(clock.Now(), kDeadline);
      ++returned;
    });
  }
  clock.WaitForWaiters(2);
  clock.AdvanceClock(seconds(30) - nanoseconds(1));
  EXPECT_EQ(returned, 0);
  clock.AdvanceClock(nanoseconds(1));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(returned, 2);
}

TEST(InProcessTest, CompletesJustBeforeTheDeadline) {
  FakeClock clock;
  const auto communicators = ConnectAll(2, clock);
  std::thread thread(
      [&] { EPLB_EXPECT_OK(communicators[0]->Barrier(kDeadline)); });
  clock.WaitForWaiters(1);
  clock.AdvanceClock(seconds(30) - nanoseconds(1));
  EPLB_EXPECT_OK(communicators[1]->Barrier(kDeadline));
  thread.join();
}

TEST(InProcessTest, EachRankKeepsItsOwnDeadline) {
  FakeClock clock;
  const auto communicators = ConnectAll(3, clock);
  std::thread patient([&] {
    EXPECT_THAT(communicators[0]->Barrier(kDeadline + seconds(30)),
                StatusIs(absl::StatusCode::kDeadlineExceeded,
                         AllOf(HasSubstr("rank 1: "),
                               HasSubstr("waiting for rank 2"))));
    EXPECT_EQ(clock.Now(), kDeadline);
  });
  std::thread hasty([&] {
    EXPECT_THAT(communicators[1]->Barrier(kDeadline),
                StatusIs(absl::StatusCode::kDeadlineExceeded,
                         HasSubstr("waiting for rank 2")));
  });
  clock.WaitForWaiters(2);
  clock.AdvanceClock(seconds(30));
  patient.join();
  hasty.join();
}

// The receiver's clock stops the copy half-way, and the sender, whose memory
// goes away when it returns, must not return before that.
class ClockThatEndsWhileCopying final : public Clock {
 public:
  SteadyTime Now() const override {
    return looks_++ < looks_before_end_ ? SteadyTime() : SteadyTime::max();
  }
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    changed.Wait(&mutex);
    return false;
  }
  void EndAfter(int64_t looks) { looks_before_end_ = looks_ + looks; }

 private:
  mutable std::atomic<int64_t> looks_ = 0;
  std::atomic<int64_t> looks_before_end_ = INT64_MAX;
};

TEST(InProcessTest, NobodyTouchesTheBuffersOfACallThatFailedWhileCopying) {
  constexpr size_t kBytes = 4 << 20;
  // From before the first look to the middle of the copies.
  for (const int64_t looks : {1, 3, 5, 10, 20, 30}) {
    SCOPED_TRACE(looks);
    ClockThatEndsWhileCopying clock;
    const auto communicators = ConnectAll(2, clock);
    clock.EndAfter(looks);
    std::vector<std::thread> threads;
    for (const int rank : {0, 1}) {
      threads.emplace_back([&, rank] {
        std::vector<char> sent(kBytes, 1);
        std::vector<char> received(kBytes, 2);
        EXPECT_THAT(communicators[rank]->Exchange(
                        {SendMessage{1 - rank, {sent.data(), kBytes}}},
                        {ReceiveMessage{1 - rank, {received.data(), kBytes}}},
                        SteadyTime() + seconds(1)),
                    StatusIs(absl::StatusCode::kDeadlineExceeded));
        // A sanitizer sees who still reads this, or writes to it.
        for (char& byte : sent) byte = 3;
        for (char& byte : received) byte = 4;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(InProcessTest, ARankThatGoesOnLeavesTheEarlierEpochBehind) {
  FakeClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const auto group, InProcessGroup::Create(3, clock));
  std::thread thread([&] {
    EXPECT_THAT(
        group->FactoryOfRank(0)->Connect(/*epoch=*/4, {0, 1, 2}, kDeadline),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 HasSubstr("rank 1 has gone on to epoch 5")));
  });
  clock.WaitForWaiters(1);
  EPLB_EXPECT_OK(group->FactoryOfRank(1)->Connect(/*epoch=*/5, {1}, kDeadline));
  thread.join();
  EXPECT_THAT(
      group->FactoryOfRank(2)->Connect(/*epoch=*/4, {0, 1, 2}, kDeadline),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("epoch 4")));
}

TEST(InProcessTest, DifferentMembersOfOneEpochAreNamed) {
  FakeClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const auto group, InProcessGroup::Create(3, clock));
  const auto names_both =
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("ranks 0-2"), HasSubstr("ranks 0-1 by rank 1")));
  std::thread thread([&] {
    EXPECT_THAT(
        group->FactoryOfRank(0)->Connect(/*epoch=*/1, {0, 1, 2}, kDeadline),
        names_both);
  });
  clock.WaitForWaiters(1);
  EXPECT_THAT(group->FactoryOfRank(1)->Connect(/*epoch=*/1, {0, 1}, kDeadline),
              names_both);
  thread.join();
}

TEST(InProcessTest, GroupsWithoutACommonRankShareAnEpoch) {
  FakeClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const auto group, InProcessGroup::Create(4, clock));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 4; ++rank) {
    threads.emplace_back([&, rank] {
      EPLB_ASSERT_OK_AND_ASSIGN(
          const auto communicator,
          group->FactoryOfRank(rank)->Connect(
              /*epoch=*/1, {rank % 2, rank % 2 + 2}, kDeadline));
      int64_t sum = rank;
      EPLB_EXPECT_OK(
          communicator->AllReduceSum(absl::MakeSpan(&sum, 1), kDeadline));
      EXPECT_EQ(sum, rank % 2 == 0 ? 2 : 4);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(InProcessTest, ConnectingEndsAtTheDeadlineAndNamesTheAbsent) {
  FakeClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const auto group, InProcessGroup::Create(4, clock));
  std::thread thread([&] {
    EXPECT_THAT(
        group->FactoryOfRank(1)->Connect(/*epoch=*/1, {0, 1, 3}, kDeadline),
        StatusIs(absl::StatusCode::kDeadlineExceeded,
                 HasSubstr("waiting for ranks 0, 3")));
  });
  clock.WaitForWaiters(1);
  clock.AdvanceClock(seconds(30));
  thread.join();
}

TEST(InProcessTest, NamesWhatCarriesIt) {
  FakeClock clock;
  const auto communicators = ConnectAll(1, clock);
  EPLB_ASSERT_OK_AND_ASSIGN(const auto clone,
                            communicators[0]->Clone("worker", kDeadline));
  EXPECT_EQ(clone->ToString(), "in_process, epoch 1/worker, rank 0 of 1");
}

}  // namespace
}  // namespace eplb
