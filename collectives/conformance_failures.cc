// Conformance: deadlines, Abort, errors and shutdown.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/at_once.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

// So much time is enough for a call to begin on any machine.
constexpr std::chrono::seconds kLongestNear(8);

// Every call fails and quotes `reason`.
void ExpectPoisoned(const std::vector<ConformanceCall>& calls,
                    Communicator& communicator, SteadyTime deadline,
                    const std::string& reason) {
  for (const ConformanceCall& call : calls) {
    EXPECT_THAT(
        call.run(communicator, deadline),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(reason)))
        << call.name;
  }
}

TEST_P(CommunicatorConformanceTest, EveryCallFailsAfterAnAbort) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      communicator.Abort(absl::DataLossError("the checksum is wrong"));
      // The first reason stays.
      communicator.Abort(absl::InternalError("something else"));
      ExpectPoisoned(AllCalls(), communicator, Far(), "the checksum is wrong");
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, EveryCallFailsAfterAnError) {
  RunRanksOk(1, [&](Communicator& communicator) {
    const absl::Status first = communicator.Broadcast({}, /*root=*/5, Far());
    EXPECT_THAT(first, StatusIs(absl::StatusCode::kInvalidArgument));
    ExpectPoisoned(AllCalls(), communicator, Far(),
                   std::string(first.message()));
    return absl::OkStatus();
  });
}

TEST_P(CommunicatorConformanceTest, ADeadlineInThePastIsExceeded) {
  ForEachAtOnce(AllCalls(), [&](const ConformanceCall& call) {
    for (const int num_ranks : RankCounts()) {
      if (num_ranks > 3) break;
      SCOPED_TRACE(absl::StrCat(call.name, ", ", num_ranks, " ranks"));
      RunRanksOk(num_ranks, [&](Communicator& communicator) {
        EXPECT_THAT(call.run(communicator, SteadyTime()),
                    StatusIs(absl::StatusCode::kDeadlineExceeded));
        ExpectPoisoned(AllCalls(), communicator, Far(), "DEADLINE_EXCEEDED");
        return absl::OkStatus();
      });
    }
  });
}

TEST_P(CommunicatorConformanceTest, ARankThatNeverCallsIsNamedAtTheDeadline) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  const bool names_missing =
      GetParam().exceptions.count(ConformanceRule::kNamesMissing) == 0;
  ForEachAtOnce(AllCalls(), [&](const ConformanceCall& call) {
    SCOPED_TRACE(call.name);
    std::vector<absl::Status> results;
    // A rank that gets no core before the deadline is missing as well, and is
    // given more time.
    for (std::chrono::milliseconds time(250);; time *= 2) {
      results = RunRanks(3, [&](Communicator& communicator) {
        return communicator.rank() == 1
                   ? absl::OkStatus()
                   : call.run(communicator, SystemClock().Now() + time);
      });
      const auto names_several = [](const absl::Status& status) {
        return absl::StrContains(status.message(), "ranks 0") ||
               absl::StrContains(status.message(), "ranks 1");
      };
      if (time >= kLongestNear ||
          std::none_of(results.begin(), results.end(), names_several)) {
        break;
      }
    }
    for (const int rank : {0, 2}) {
      EXPECT_THAT(results[rank],
                  StatusIs(absl::StatusCode::kDeadlineExceeded,
                           HasSubstr(names_missing ? "rank 1" : "")));
    }
  });
}

TEST_P(CommunicatorConformanceTest, ALateCallerLearnsThatTheOthersGaveUp) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kTellsOthers)) return;
  ForEachAtOnce(AllCalls(), [&](const ConformanceCall& call) {
    SCOPED_TRACE(call.name);
    std::atomic<bool> others_gave_up = false;
    const std::vector<absl::Status> results =
        RunRanks(2, [&](Communicator& communicator) {
          if (communicator.rank() == 0) {
            const absl::Status status = call.run(communicator, Near());
            others_gave_up = true;
            others_gave_up.notify_all();
            return status;
          }
          others_gave_up.wait(false);
          // What they had sent before may complete a call.
          absl::Status status;
          for (const SteadyTime far = Far();
               status.ok() && SystemClock().Now() < far;) {
            status = call.run(communicator, far);
          }
          return status;
        });
    EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(results[1], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                     HasSubstr("rank 0")));
  });
}

TEST_P(CommunicatorConformanceTest, APendingCallNamesTheRanksItWaitsFor) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kNamesAwaited)) return;
  const auto communicators = ConnectAll(3);
  for (const auto& communicator : communicators) EPLB_ASSERT_OK(communicator);
  const auto barrier = [&](int rank) {
    EPLB_EXPECT_OK((*communicators[rank])->Barrier(Far()));
    EXPECT_THAT((*communicators[rank])->AwaitedRanks(), IsEmpty());
  };
  std::vector<std::thread> threads;
  for (const int rank : {0, 2}) threads.emplace_back(barrier, rank);
  for (const int rank : {0, 2}) {
    while ((*communicators[rank])->AwaitedRanks() != std::vector<int>{1}) {
      std::this_thread::yield();
    }
  }
  barrier(1);
  for (std::thread& thread : threads) thread.join();
}

TEST_P(CommunicatorConformanceTest, AnAbortReachesRanksThatWait) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kTellsOthers)) return;
  ForEachAtOnce(AllCalls(), [&](const ConformanceCall& call) {
    SCOPED_TRACE(call.name);
    const std::vector<absl::Status> results =
        RunRanks(3, [&](Communicator& communicator) {
          if (communicator.rank() != 1) return call.run(communicator, Far());
          communicator.Abort(absl::ResourceExhaustedError("no memory"));
          return absl::OkStatus();
        });
    for (const int rank : {0, 2}) {
      EXPECT_THAT(results[rank],
                  StatusIs(absl::StatusCode::kResourceExhausted,
                           AllOf(HasSubstr("rank 1"), HasSubstr("no memory"))));
    }
  });
}

TEST_P(CommunicatorConformanceTest, ARankThatLeavesIsUnavailableToTheOthers) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kTellsOthers)) return;
  ForEachAtOnce(AllCalls(), [&](const ConformanceCall& call) {
    SCOPED_TRACE(call.name);
    auto communicators = ConnectAll(3);
    for (const auto& communicator : communicators) EPLB_ASSERT_OK(communicator);
    std::vector<std::thread> threads;
    for (const int rank : {0, 2}) {
      threads.emplace_back([&, rank] {
        EXPECT_THAT(
            call.run(**communicators[rank], Far()),
            StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 1")));
      });
    }
    communicators[1]->reset();
    for (std::thread& thread : threads) thread.join();
  });
}

TEST_P(CommunicatorConformanceTest, AbortEndsThePendingCallWithItsReason) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  for (const ConformanceCall& call : AllCalls()) {
    SCOPED_TRACE(call.name);
    const auto communicators = ConnectAll(2);
    for (const auto& communicator : communicators) EPLB_ASSERT_OK(communicator);
    const int64_t looks = clock_.looks();
    std::thread thread([&] {
      EXPECT_THAT(call.run(**communicators[0], Far()),
                  StatusIs(absl::StatusCode::kAborted, "enough"));
      ExpectPoisoned(AllCalls(), **communicators[0], Far(), "enough");
    });
    clock_.WaitForLooks(looks + 1);
    // Twice, and at once.
    std::thread again(
        [&] { (*communicators[0])->Abort(absl::AbortedError("enough")); });
    (*communicators[0])->Abort(absl::AbortedError("enough"));
    again.join();
    thread.join();
  }
}

TEST_P(CommunicatorConformanceTest, ShutdownEndsThePendingCall) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  for (const ConformanceCall& call : AllCalls()) {
    SCOPED_TRACE(call.name);
    auto communicators = ConnectAll(2);
    for (const auto& communicator : communicators) EPLB_ASSERT_OK(communicator);
    const int64_t looks = clock_.looks();
    std::thread thread([&, communicator = communicators[0]->get()] {
      EXPECT_THAT(call.run(*communicator, Far()),
                  StatusIs(absl::StatusCode::kCancelled));
    });
    clock_.WaitForLooks(looks + 1);
    communicators[0]->reset();
    thread.join();
  }
}

TEST_P(CommunicatorConformanceTest, RefusesASecondCallBesideAPendingOne) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  const auto communicators = ConnectAll(2);
  for (const auto& communicator : communicators) EPLB_ASSERT_OK(communicator);
  const int64_t looks = clock_.looks();
  std::thread thread([&] {
    EXPECT_THAT((*communicators[0])->Barrier(Far()),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  });
  clock_.WaitForLooks(looks + 1);
  EXPECT_THAT(
      (*communicators[0])->Clone("second", Far()),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pending")));
  thread.join();
}

TEST_P(CommunicatorConformanceTest, RefusesToCloneANameTwice) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      EPLB_EXPECT_OK(communicator.Clone("worker", Far()));
      EPLB_EXPECT_OK(communicator.Clone("logger", Far()));
      EXPECT_THAT(
          communicator.Clone("worker", Far()),
          StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("worker")));
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, SurvivorsConnectInTheNextEpoch) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  const auto factories = GetParam().make_job(4, clock_);
  const std::vector<int> everybody = {0, 1, 2, 3};
  const std::vector<int> survivors = {0, 2, 3};
  std::vector<std::thread> threads;
  for (const int rank : everybody) {
    threads.emplace_back([&, rank] {
      {
        EPLB_ASSERT_OK_AND_ASSIGN(
            const auto communicator,
            factories[rank]->Connect(/*epoch=*/7, everybody, Far()));
        EPLB_ASSERT_OK(communicator->Barrier(Far()));
      }
      EXPECT_THAT(factories[rank]->Connect(/*epoch=*/7, everybody, Far()),
                  StatusIs(absl::StatusCode::kFailedPrecondition,
                           HasSubstr("epoch 7")));
      if (rank == 1) return;
      EPLB_ASSERT_OK_AND_ASSIGN(
          const auto communicator,
          factories[rank]->Connect(/*epoch=*/9, survivors, Far()));
      EXPECT_EQ(communicator->size(), 3);
      EXPECT_EQ(survivors[communicator->rank()], rank);
      int64_t sum = rank;
      EPLB_EXPECT_OK(
          communicator->AllReduceSum(absl::MakeSpan(&sum, 1), Far()));
      EXPECT_EQ(sum, 5);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(CommunicatorConformanceTest, RefusesMembersThatMakeNoGroup) {
  for (const std::vector<int>& members :
       std::vector<std::vector<int>>{{}, {1}, {-1, 0}, {0, 0}, {0, 1 << 20}}) {
    const auto factories = GetParam().make_job(2, clock_);
    EXPECT_THAT(factories[0]->Connect(/*epoch=*/1, members, Far()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rank")))
        << testing::PrintToString(members);
  }
}

TEST_P(CommunicatorConformanceTest, AnAbsentRankIsNamedWhenConnecting) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  const auto factories = GetParam().make_job(3, clock_);
  std::vector<std::thread> threads;
  for (const int rank : {0, 2}) {
    threads.emplace_back([&, rank] {
      EXPECT_THAT(factories[rank]->Connect(/*epoch=*/1, {0, 1, 2}, Near()),
                  StatusIs(AnyOf(absl::StatusCode::kDeadlineExceeded,
                                 absl::StatusCode::kFailedPrecondition),
                           HasSubstr("rank")));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace eplb
