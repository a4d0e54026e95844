// Faults between the messages of real processes: ranks that are killed,
// stopped or silent. Every survivor returns within a second of its deadline,
// with the status and the rank that it names, and has received nothing.

#include "collectives/gloo_fault_test.h"

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
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
  constexpr uint8_t kSentInEpoch2 = 0x33;
  // More than the wire holds.
  constexpr size_t kLarge = 128 << 20;
  const SharedBytes received(kLarge);
  void* const to = received.data();
  const Ranks ranks = StartRanks(3, [=](FaultRank& self, ParentLink& parent) {
    const int rank = self.communicator().rank();
    // From `source` to rank 0; a third rank has no part in it.
    const auto move_large = [&](int source, uint8_t byte,
                                std::chrono::milliseconds timeout) {
      const bool sends = self.communicator().rank() == source;
      const std::vector<uint8_t> sent(sends ? kLarge : 0, byte);
      // Nobody's time begins before all have their memory.
      const absl::Status ready =
          self.communicator().Barrier(SystemClock().Now() + kLate);
      if (!ready.ok()) return parent.Say(self.Report(ready));
      std::vector<SendMessage> outgoing;
      std::vector<ReceiveMessage> incoming;
      if (sends) outgoing.push_back({0, {sent.data(), kLarge}});
      if (rank == 0) incoming.push_back({source, {to, kLarge}});
      parent.Say(self.Report(self.Measure(timeout, [&](SteadyTime deadline) {
        return self.communicator().Exchange(outgoing, incoming, deadline);
      })));
    };
    move_large(/*source=*/1, kSent, kSoon);
    if (rank == 1) return;
    parent.WaitForGo();
    parent.Say(self.Report(self.Connect(/*epoch=*/2, {0, 2}, kLate)));
    move_large(/*source=*/1, kSentInEpoch2, kLate);
  });
  ASSERT_TRUE(received.WaitForByte(0));
  ranks[1]->Signal(SIGSTOP);
  EXPECT_THAT(ranks[0]->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 1"));
  EXPECT_THAT(ranks[2]->Hear(), StartsWith("OK [in time"));
  // Into the same memory, from the rank that was number 2.
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(), StartsWith("OK [in time"));
    EXPECT_THAT(ranks[rank]->Hear(), StartsWith("OK [in time"));
  }
  // What rank 1 sends now is of epoch 1, where nobody is any more.
  ranks[1]->Signal(SIGCONT);
  EXPECT_THAT(ranks[1]->Hear(), StartsWith("DEADLINE_EXCEEDED:"));
  EXPECT_EQ(received.bytes()[0], kSentInEpoch2);
  const char* const begin = static_cast<const char*>(to);
  EXPECT_EQ(std::memcmp(begin, begin + 1, kLarge - 1), 0);
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
