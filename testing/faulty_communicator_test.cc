#include "testing/faulty_communicator.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(30);

// Rank 0 talks to rank 1 through the fault. Returns what each rank's `body`
// returned; `body` makes one operation, number 0.
std::vector<absl::Status> RunWithFault(
    FakeClock& clock, const Fault& fault,
    const std::function<absl::Status(Communicator&)>& body) {
  // A rank that left would be another reason to fail for the other.
  std::latch both_returned(2);
  return RunInProcessRanks(
      2, clock, [&](std::unique_ptr<Communicator> communicator) {
        std::vector<Fault> script;
        if (communicator->rank() == 0) script.push_back(fault);
        FaultyCommunicator faulty(std::move(communicator), clock, script);
        const absl::Status status = body(faulty);
        both_returned.arrive_and_wait();
        return status;
      });
}

// Each rank sends 4 bytes to the other. `received` is what rank 0 has after.
std::vector<absl::Status> Swap(FakeClock& clock, const Fault& fault,
                               std::vector<int>& received_by_0) {
  return RunWithFault(clock, fault, [&](Communicator& communicator) {
    const std::vector<uint8_t> sent(4, 0xf0);
    std::vector<uint8_t> received(4, 0x11);
    const int peer = 1 - communicator.rank();
    const absl::Status status = communicator.Exchange(
        {SendMessage{peer, {sent.data(), 4}}},
        {ReceiveMessage{peer, {received.data(), 4}}}, kDeadline);
    if (communicator.rank() == 0) {
      received_by_0.assign(received.begin(), received.end());
    }
    return status;
  });
}

TEST(FaultyCommunicatorTest, FailsBeforeAnythingArrives) {
  FakeClock clock;
  std::vector<int> received;
  const auto results =
      Swap(clock, {.kind = Fault::Kind::kFailBefore}, received);
  EXPECT_THAT(results[0],
              StatusIs(absl::StatusCode::kUnavailable, "scripted fault"));
  EXPECT_THAT(results[1],
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 0")));
  EXPECT_THAT(received, testing::ElementsAre(0x11, 0x11, 0x11, 0x11));
}

TEST(FaultyCommunicatorTest, FailsWithHalfOfTheBytes) {
  FakeClock clock;
  std::vector<int> received;
  const auto results = Swap(clock,
                            {.kind = Fault::Kind::kFailDuring,
                             .status = absl::DataLossError("cable")},
                            received);
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss, "cable"));
  EXPECT_THAT(received, testing::ElementsAre(0xf0, 0xf0, 0x11, 0x11));
}

TEST(FaultyCommunicatorTest, FailsAfterEverythingArrived) {
  FakeClock clock;
  std::vector<int> received;
  const auto results = Swap(clock, {.kind = Fault::Kind::kFailAfter}, received);
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(received, testing::ElementsAre(0xf0, 0xf0, 0xf0, 0xf0));
}

TEST(FaultyCommunicatorTest, TruncatesInSilence) {
  FakeClock clock;
  std::vector<int> received;
  EXPECT_THAT(Swap(clock, {.kind = Fault::Kind::kTruncate}, received),
              testing::Each(IsOk()));
  EXPECT_THAT(received, testing::ElementsAre(0xf0, 0xf0, 0x11, 0x11));
}

TEST(FaultyCommunicatorTest, FlipsOneBitInSilence) {
  FakeClock clock;
  std::vector<int> received;
  EXPECT_THAT(Swap(clock, {.kind = Fault::Kind::kFlipBit, .bit = 17}, received),
              testing::Each(IsOk()));
  EXPECT_THAT(received, testing::ElementsAre(0xf0, 0xf0, 0xf2, 0xf0));
}

TEST(FaultyCommunicatorTest, DelaysOnTheClock) {
  FakeClock clock;
  std::vector<absl::Status> results;
  std::thread job([&] {
    results = RunWithFault(
        clock, {.kind = Fault::Kind::kDelay, .delay = std::chrono::seconds(29)},
        [](Communicator& communicator) {
          return communicator.Barrier(kDeadline);
        });
  });
  clock.WaitForWaiters(2);  // One in the delay, one for the other.
  clock.AdvanceClock(std::chrono::seconds(29));
  job.join();
  EXPECT_THAT(results, testing::Each(IsOk()));
}

TEST(FaultyCommunicatorTest, ADelayEndsAtTheDeadline) {
  FakeClock clock;
  std::vector<absl::Status> results;
  std::thread job([&] {
    results = RunWithFault(
        clock, {.kind = Fault::Kind::kDelay, .delay = std::chrono::hours(1)},
        [](Communicator& communicator) {
          return communicator.Barrier(kDeadline);
        });
  });
  clock.WaitForWaiters(2);
  clock.AdvanceClock(std::chrono::seconds(30));
  job.join();
  EXPECT_THAT(results,
              testing::Each(StatusIs(absl::StatusCode::kDeadlineExceeded)));
}

TEST(FaultyCommunicatorTest, HangsToTheDeadline) {
  FakeClock clock;
  std::vector<absl::Status> results;
  std::thread job([&] {
    results =
        RunWithFault(clock, {.kind = Fault::Kind::kHang, .tells_others = false},
                     [](Communicator& communicator) {
                       return communicator.Barrier(kDeadline);
                     });
  });
  clock.WaitForWaiters(2);
  clock.AdvanceClock(std::chrono::seconds(30));
  job.join();
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                   HasSubstr("scripted hang")));
  EXPECT_THAT(results[1], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                   HasSubstr("rank 0")));
}

TEST(FaultyCommunicatorTest, AbortEndsAHang) {
  FakeClock clock;
  EXPECT_THAT(
      RunWithFault(clock, {.kind = Fault::Kind::kHang},
                   [&](Communicator& communicator) {
                     if (communicator.rank() == 1) {
                       return communicator.Barrier(kDeadline);
                     }
                     std::thread aborter([&] {
                       clock.WaitForWaiters(2);
                       communicator.Abort(absl::AbortedError("enough"));
                     });
                     const absl::Status status =
                         communicator.Barrier(kDeadline);
                     aborter.join();
                     return status;
                   }),
      testing::Each(StatusIs(absl::StatusCode::kAborted, HasSubstr("enough"))));
}

TEST(FaultyCommunicatorTest, DiesByItsCallback) {
  FakeClock clock;
  bool is_dead = false;
  const auto results = RunWithFault(
      clock, {.kind = Fault::Kind::kDie, .die = [&] { is_dead = true; }},
      [](Communicator& communicator) {
        return communicator.Barrier(kDeadline);
      });
  EXPECT_TRUE(is_dead);
  EXPECT_THAT(results[1],
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 0")));
}

TEST(FaultyCommunicatorTest, EveryOperationIndexCanFail) {
  // Number of operations that returned OK before the first error.
  const auto run = [](FakeClock& clock, int64_t operation, int64_t& counted) {
    int64_t succeeded = 0;
    RunInProcessRanks(
        1, clock, [&](std::unique_ptr<Communicator> communicator) {
          FaultyCommunicator faulty(std::move(communicator), clock,
                                    {{.operation = operation}});
          const absl::Status status = [&]() -> absl::Status {
            int64_t value = 1;
            EPLB_RETURN_IF_ERROR(
                faulty.AllReduceSum(absl::MakeSpan(&value, 1), kDeadline));
            ++succeeded;
            EPLB_RETURN_IF_ERROR(faulty.Barrier(kDeadline));
            ++succeeded;
            EPLB_RETURN_IF_ERROR(faulty.Clone("clone", kDeadline).status());
            ++succeeded;
            return absl::OkStatus();
          }();
          counted = faulty.num_operations();
          return status;
        });
    return succeeded;
  };
  FakeClock clock;
  int64_t total = 0;
  EXPECT_EQ(run(clock, /*operation=*/-1, total), 3);
  ASSERT_EQ(total, 3);
  for (int64_t operation = 0; operation < total; ++operation) {
    int64_t counted = 0;
    EXPECT_EQ(run(clock, operation, counted), operation);
    EXPECT_EQ(counted, operation + 1);
  }
}

}  // namespace
}  // namespace eplb
