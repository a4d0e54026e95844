// Faults between the messages of real processes: ranks that are killed,
// stopped or silent. Every survivor returns within a second of its deadline,
// with the status and the rank that it names, and has received nothing.

#include "collectives/gloo_fault_test.h"

#include <signal.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

INSTANTIATE_TEST_SUITE_P(Backends, GlooFaultTest, kGlooFaultCases,
                         GlooFaultCaseName);

TEST_P(GlooFaultTest, APeerKilledBetweenMessages) {
  const Ranks ranks = StartRanks(3, kLate);
  ranks[1]->Signal(SIGKILL);
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                EndsInTimeUntouched("UNAVAILABLE", "rank 1"));
  }
}

TEST_P(GlooFaultTest, APeerThatNeverArrives) {
  const Ranks ranks = StartRanks(3, kSoon);
  // Rank 1 lives, and never calls.
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                EndsInTimeUntouched("DEADLINE_EXCEEDED", "rank 1"));
  }
}

TEST_P(GlooFaultTest, APeerStoppedPastTheDeadlineAndResumed) {
  const Ranks ranks = StartRanks(3, kSoon);
  ranks[1]->Signal(SIGSTOP);
  for (const auto& rank : ranks) rank->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                EndsInTimeUntouched("DEADLINE_EXCEEDED", "rank 1"));
  }
  ranks[1]->Signal(SIGCONT);
  // It learns what has happened, and has no part in it.
  EXPECT_THAT(ranks[1]->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED:"), HasSubstr("rank"),
                    EndsWith(" untouched")));
}

TEST_P(GlooFaultTest, LateBytesOfAStoppedPeerAreFencedByTheEpoch) {
  const Ranks ranks = StartRanks(3, [](FaultRank& self, ParentLink& parent) {
    const bool is_stopped = self.communicator().rank() == 1;
    parent.WaitForGo();
    std::vector<uint8_t> received(kSmall);
    absl::Status status = self.PassOn(received, kSoon);
    parent.Say(self.Report(status, received));
    if (is_stopped) return;
    parent.WaitForGo();
    status = self.Connect(/*epoch=*/2, {0, 2}, kLate);
    parent.Say(self.Report(status));
    parent.WaitForGo();
    received.assign(kSmall, 0);
    status = self.PassOn(received, kLate);
    parent.Say(self.Report(status, received));
  });
  ranks[1]->Signal(SIGSTOP);
  for (const auto& rank : ranks) rank->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                EndsInTimeUntouched("DEADLINE_EXCEEDED", "rank 1"));
    ranks[rank]->Go();
  }
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(), StartsWith("OK [in time"));
  }
  // What rank 1 sends now is of epoch 1, where nobody is any more.
  ranks[1]->Signal(SIGCONT);
  EXPECT_THAT(ranks[1]->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED:"), EndsWith(" untouched")));
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                AllOf(StartsWith("OK [in time"), EndsWith(" received")));
  }
}

TEST_P(GlooFaultTest, ADeadlineInThePast) {
  const Ranks ranks = StartRanks(2, [](FaultRank& self, ParentLink& parent) {
    std::vector<uint8_t> received(kSmall);
    const absl::Status status =
        self.PassOn(received, std::chrono::milliseconds(-1));
    parent.Say(self.Report(status, received));
    // The first error stays.
    parent.Say(self.Report(self.PassOn(received, kLate), received));
  });
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), EndsInTimeUntouched("DEADLINE_EXCEEDED", ""));
    EXPECT_THAT(rank->Hear(), EndsInTimeUntouched("FAILED_PRECONDITION",
                                                  "DEADLINE_EXCEEDED"));
  }
}

TEST_P(GlooFaultTest, APeerThatShutsDownBetweenMessages) {
  const Ranks ranks = StartRanks(3, [](FaultRank& self, ParentLink& parent) {
    parent.WaitForGo();
    if (self.communicator().rank() == 1) {
      self.DestroyCommunicator();
      return parent.Say("gone");
    }
    std::vector<uint8_t> received(kSmall);
    const absl::Status status = self.PassOn(received, kLate);
    parent.Say(self.Report(status, received));
  });
  ranks[1]->Go();
  EXPECT_EQ(ranks[1]->Hear(), "gone");
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                EndsInTimeUntouched("UNAVAILABLE", "rank 1"));
  }
}

}  // namespace
}  // namespace eplb
