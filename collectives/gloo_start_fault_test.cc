// Faults while ranks meet: in Connect and in Clone, ranks that are absent,
// killed, double, of another job or of none.

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/gloo_fault_test.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class GlooStartFaultTest : public GlooFaultTest {
 protected:
  // A process that connects, reports, and passes on when it is told to.
  std::unique_ptr<RankProcess> StartConnecting(
      const GlooJobOptions& options, std::chrono::milliseconds timeout) const {
    return std::make_unique<RankProcess>([=, this](ParentLink& parent) {
      FaultRank self = MakeRank(options);
      const absl::Status connected = self.Connect(timeout);
      parent.Say(self.Report(connected));
      parent.WaitForGo();
      if (!connected.ok()) return;
      std::vector<uint8_t> received(kSmall);
      const absl::Status status = self.PassOn(received, kLate);
      parent.Say(absl::StrCat(self.Report(status, received), ", ",
                              self.num_strangers(), " strangers"));
      parent.WaitForGo();
    });
  }

  // Where the rank listens, once it has told the store.
  std::string AddressOf(int rank) {
    const std::string key = absl::StrCat("faults.e1.r", rank);
    const SteadyTime deadline = clock_.Now() + kLate;
    while (clock_.Now() < deadline) {
      const auto entry = MakeStore(clock_)->Get(key, deadline);
      if (entry.ok() && entry->has_value()) {
        return (*entry)->substr((*entry)->rfind(' ') + 1);
      }
      std::this_thread::yield();
    }
    ADD_FAILURE() << "rank " << rank << " does not come to the store";
    return "";
  }

  SystemClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Backends, GlooStartFaultTest, kGlooFaultCases,
                         GlooFaultCaseName);

// An error that names rank 1, alone or among others.
constexpr char kNamesRank1[] =
    "^[A-Z]+_?[A-Z]*: .*ranks? (0 (to|and) )?1.*\\[in time";

TEST_P(GlooStartFaultTest, ARankThatIsAbsentAtTheStart) {
  Ranks ranks;
  for (const int rank : {0, 2}) {
    ranks.push_back(StartConnecting(OptionsOf(rank, 3), kSoon));
  }
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 1"));
  }
}

TEST_P(GlooStartFaultTest, ADeadlineInThePast) {
  const auto rank =
      StartConnecting(OptionsOf(0, 2), std::chrono::milliseconds(-1));
  EXPECT_THAT(rank->Hear(), EndsInTime("DEADLINE_EXCEEDED", ""));
}

TEST_P(GlooStartFaultTest, ASecondProcessOfTheSameRankIsTurnedAway) {
  const Ranks ranks = StartRanks(2, kLate);
  const auto second = StartConnecting(OptionsOf(1, 2), kSoon);
  EXPECT_THAT(second->Hear(), EndsInTime("ALREADY_EXISTS", "rank 1"));
  // The job goes on.
  for (const auto& rank : ranks) rank->Go();
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(),
                AllOf(StartsWith("OK [in time"), EndsWith(" received")));
  }
}

TEST_P(GlooStartFaultTest, RanksOfJobsOfDifferentSizes) {
  Ranks ranks;
  for (const int rank : {0, 1}) {
    ranks.push_back(StartConnecting(OptionsOf(rank, 2 + rank), kSoon));
  }
  for (const int rank : {0, 1}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                AllOf(EndsInTime("FAILED_PRECONDITION",
                                 absl::StrCat("rank ", 1 - rank)),
                      HasSubstr("of 2"), HasSubstr("of 3")));
  }
}

TEST_P(GlooStartFaultTest, TheStaleRendezvousOfAKilledJob) {
  {
    const Ranks ranks = StartRanks(2, kLate);
    for (const auto& rank : ranks) rank->Signal(SIGKILL);
  }
  // Under the same job id nobody connects to who was there before.
  for (const int rank : {0, 1}) {
    EXPECT_THAT(StartConnecting(OptionsOf(rank, 2), kSoon)->Hear(),
                AllOf(EndsInTime("ALREADY_EXISTS", absl::StrCat("rank ", rank)),
                      HasSubstr("job id")));
  }
  // Another job in the same place does not see the remains.
  Ranks ranks;
  for (const int rank : {0, 1}) {
    GlooJobOptions options = OptionsOf(rank, 2);
    options.job_id = "faults-2";
    ranks.push_back(StartConnecting(options, kLate));
  }
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), StartsWith("OK [in time"));
  }
}

TEST_P(GlooStartFaultTest, AStrangerAtTheRendezvous) {
  Ranks ranks;
  ranks.push_back(StartConnecting(OptionsOf(0, 2), kLate));
  {
    EPLB_ASSERT_OK_AND_ASSIGN(
        const Socket stranger,
        ConnectTo(AddressOf(0), clock_, clock_.Now() + kLate));
    EPLB_ASSERT_OK(WriteAll(stranger,
                            absl::StrCat("GET / HTTP/1.1\r\nHost: ",
                                         std::string(200, 'x'), "\r\n\r\n"),
                            clock_, clock_.Now() + kLate));
  }
  ranks.push_back(StartConnecting(OptionsOf(1, 2), kLate));
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), StartsWith("OK [in time"));
    rank->Go();
  }
  EXPECT_THAT(ranks[0]->Hear(), EndsWith(" received, 1 strangers"));
  EXPECT_THAT(ranks[1]->Hear(), EndsWith(" received, 0 strangers"));
}

TEST_P(GlooStartFaultTest, APeerKilledDuringConnect) {
  Ranks ranks;
  ranks.push_back(StartConnecting(OptionsOf(0, 3), kSoon));
  ranks.push_back(StartConnecting(OptionsOf(1, 3), kSoon));
  // It has said where it listens, and waits for rank 2.
  AddressOf(1);
  ranks[1]->Signal(SIGKILL);
  ranks.push_back(StartConnecting(OptionsOf(2, 3), kSoon));
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(), ContainsRegex(kNamesRank1));
  }
}

// Whenever the peer dies, the others return in time: with the communicator, or
// with an error that names it.
TEST_P(GlooStartFaultTest, APeerKilledAtAnyTimeDuringConnect) {
  std::map<int, Ranks> job_by_time;
  for (const int milliseconds : {0, 3, 6, 12, 25}) {
    Ranks& ranks = job_by_time[milliseconds];
    for (const int rank : {0, 1, 2}) {
      GlooJobOptions options = OptionsOf(rank, 3);
      options.job_id = absl::StrCat("faults-", milliseconds);
      ranks.push_back(StartConnecting(options, kSoon));
    }
    poll(nullptr, 0, milliseconds);
    ranks[1]->Signal(SIGKILL);
  }
  // The jobs wait for their deadlines together.
  for (const auto& [milliseconds, ranks] : job_by_time) {
    SCOPED_TRACE(absl::StrCat("killed after ", milliseconds, " ms"));
    for (const int rank : {0, 2}) {
      EXPECT_THAT(ranks[rank]->Hear(),
                  AnyOf(StartsWith("OK [in time"), ContainsRegex(kNamesRank1)));
    }
  }
}

// As above, for Clone.
constexpr int kBeforeItCalls = -1;
TEST_P(GlooStartFaultTest, APeerKilledAtAnyTimeDuringClone) {
  for (const int milliseconds : {kBeforeItCalls, 0, 3, 6, 12}) {
    SCOPED_TRACE(absl::StrCat("killed after ", milliseconds, " ms"));
    Ranks ranks;
    for (const int rank : {0, 1, 2}) {
      GlooJobOptions options = OptionsOf(rank, 3);
      options.job_id = absl::StrCat("faults", milliseconds);
      ranks.push_back(
          StartRank(options, [](FaultRank& self, ParentLink& parent) {
            parent.WaitForGo();
            const absl::Status status =
                self.Measure(kSoon, [&](SteadyTime deadline) {
                  return self.communicator().Clone("clone", deadline).status();
                });
            parent.Say(self.Report(status));
          }));
    }
    for (const auto& rank : ranks) ASSERT_EQ(rank->Hear(), "OK");
    for (const int rank : {0, 2}) ranks[rank]->Go();
    if (milliseconds != kBeforeItCalls) ranks[1]->Go();
    poll(nullptr, 0, std::max(0, milliseconds));
    ranks[1]->Signal(SIGKILL);
    for (const int rank : {0, 2}) {
      const std::string report = ranks[rank]->Hear();
      EXPECT_THAT(report,
                  AnyOf(StartsWith("OK [in time"), ContainsRegex(kNamesRank1)));
      if (milliseconds == kBeforeItCalls) {
        EXPECT_THAT(report, EndsInTime("UNAVAILABLE", "rank 1"));
      }
    }
  }
}

}  // namespace
}  // namespace eplb
