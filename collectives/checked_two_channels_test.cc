// CheckedCommunicator with a control channel beside its data channel.

#include <barrier>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/faulty_communicator.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(30);

// Each rank's data channel goes through `fault` where it is rank 1's; headers
// go over a channel of their own.
std::vector<absl::Status> RunOnTwoChannels(
    const Fault& fault,
    const std::function<absl::Status(CheckedCommunicator&)>& body) {
  FakeClock clock;
  return RunInProcessRanks(
      3, clock,
      [&](std::unique_ptr<Communicator> communicator) -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> data,
                              communicator->Clone("data", kDeadline));
        std::vector<Fault> script;
        if (communicator->rank() == 1) script.push_back(fault);
        CheckedCommunicator checked(std::make_unique<FaultyCommunicator>(
                                        std::move(data), clock, script),
                                    std::move(communicator));
        const absl::Status status = body(checked);
        // Nobody leaves before all are done.
        checked.Agree(0, kDeadline).IgnoreError();
        return status;
      });
}

// Each rank sends its number to the next.
absl::Status PassOn(CheckedCommunicator& checked) {
  const int64_t sent = checked.rank();
  int64_t received = -1;
  const int next = (checked.rank() + 1) % checked.size();
  const int previous = (checked.rank() + checked.size() - 1) % checked.size();
  EPLB_RETURN_IF_ERROR(checked.Exchange(
      {SendMessage{next, {&sent, sizeof(sent)}}},
      {ReceiveMessage{previous, {&received, sizeof(sent)}}}, kDeadline));
  EXPECT_EQ(received, previous);
  return absl::OkStatus();
}

TEST(CheckedTwoChannelsTest, ARankCanStillSayNoWhenItsDataChannelHasFailed) {
  for (const Fault::Kind kind :
       {Fault::Kind::kFailBefore, Fault::Kind::kFailDuring,
        Fault::Kind::kFailAfter}) {
    const Fault fault = {.operation = 1,
                         .kind = kind,
                         .status = absl::DataLossError("link down")};
    const auto results = RunOnTwoChannels(
        fault, [](CheckedCommunicator& checked) -> absl::Status {
          EPLB_RETURN_IF_ERROR(PassOn(checked));
          const absl::Status second = PassOn(checked);
          if (checked.rank() == 1) {
            EXPECT_THAT(second, StatusIs(absl::StatusCode::kDataLoss,
                                         HasSubstr("link down")));
          }
          EPLB_ASSIGN_OR_RETURN(const std::vector<int64_t> votes,
                                checked.Agree(second.ok(), kDeadline));
          EXPECT_EQ(votes[1], 0);
          // As often as the ranks have something to decide.
          return checked.Agree(7, kDeadline).status();
        });
    EXPECT_THAT(results, Each(IsOk()));
  }
}

TEST(CheckedTwoChannelsTest, OnlyAgreeIsLeftWhenTheDataChannelHasFailed) {
  std::barrier all_have_agreed(3);
  const auto results = RunOnTwoChannels(
      {.status = absl::DataLossError("link down")},
      [&](CheckedCommunicator& checked) {
        EXPECT_THAT(PassOn(checked), StatusIs(absl::StatusCode::kDataLoss));
        EPLB_EXPECT_OK(checked.Agree(1, kDeadline));
        all_have_agreed.arrive_and_wait();
        int64_t value = 0;
        EXPECT_THAT(checked.AllReduceSum(absl::MakeSpan(&value, 1), kDeadline),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("link down")));
        EXPECT_THAT(checked.Clone("clone", kDeadline),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("link down")));
        return checked.Barrier(kDeadline);
      });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("link down"))));
}

TEST(CheckedTwoChannelsTest,
     ARankThatGoesOnAfterAPeersDataChannelFailedLearnsWhy) {
  const auto results =
      RunOnTwoChannels({.kind = Fault::Kind::kFailAfter,
                        .status = absl::DataLossError("link down")},
                       [](CheckedCommunicator& checked) {
                         // Rank 1 fails when all has arrived everywhere; the
                         // others may or may not have seen the end of it.
                         const absl::Status first = PassOn(checked);
                         const absl::Status second = checked.Barrier(kDeadline);
                         return first.ok() ? second : first;
                       });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kDataLoss,
                                     HasSubstr("link down"))));
}

}  // namespace
}  // namespace eplb
