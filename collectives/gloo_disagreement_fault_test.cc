// Processes that do different things, or hold different things: every rank
// learns what differs and on which ranks, long before its deadline, and no
// payload has moved.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/gloo_fault_test.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"

namespace eplb {
namespace {

using testing::Each;
using testing::HasSubstr;

absl::Status Gather(FaultRank& self, size_t num_bytes,
                    std::vector<uint8_t>& received, SteadyTime deadline) {
  const std::vector<uint8_t> mine(num_bytes, kSent);
  received.resize(num_bytes * self.communicator().size());
  return self.communicator().AllGather(
      {mine.data(), mine.size()}, {received.data(), received.size()}, deadline);
}

class GlooDisagreementFaultTest : public GlooFaultTest {
 protected:
  using Call = std::function<absl::Status(
      FaultRank&, std::vector<uint8_t>& received, SteadyTime)>;

  // What three ranks report of whom rank 1 makes the call `odd`.
  std::vector<std::string> ReportsOf(const Call& call, const Call& odd) {
    const Ranks ranks = StartRanks(3, [&](FaultRank& self, ParentLink& parent) {
      std::vector<uint8_t> received;
      const Call& own = self.communicator().rank() == 1 ? odd : call;
      const absl::Status status = self.Measure(kLate, [&](SteadyTime deadline) {
        return own(self, received, deadline);
      });
      parent.Say(self.Report(status, received));
    });
    std::vector<std::string> reports;
    for (const auto& rank : ranks) reports.push_back(rank->Hear());
    EXPECT_THAT(reports,
                Each(EndsInTimeUntouched("FAILED_PRECONDITION", "rank 1")));
    return reports;
  }

  // As above, of ranks that gather, where rank 1 holds something else.
  std::vector<std::string> ReportsOfHolding(
      const std::function<void(CheckContext&)>& odd) {
    const Call gather = [](FaultRank& self, std::vector<uint8_t>& received,
                           SteadyTime deadline) {
      return Gather(self, kSmall, received, deadline);
    };
    return ReportsOf(gather,
                     [&](FaultRank& self, std::vector<uint8_t>& received,
                         SteadyTime deadline) {
                       odd(self.context());
                       return gather(self, received, deadline);
                     });
  }
};

// The backend by itself compares operations, sizes and messages; the rest is
// in the header of CheckedCommunicator.
INSTANTIATE_TEST_SUITE_P(Backends, GlooDisagreementFaultTest, kGlooFaultCases,
                         GlooFaultCaseName);
class GlooCheckedDisagreementFaultTest : public GlooDisagreementFaultTest {};
INSTANTIATE_TEST_SUITE_P(Backends, GlooCheckedDisagreementFaultTest,
                         kCheckedGlooFaultCases, GlooFaultCaseName);

TEST_P(GlooDisagreementFaultTest, ADifferentOperation) {
  const auto reports = ReportsOf(
      [](FaultRank& self, std::vector<uint8_t>& received, SteadyTime deadline) {
        return Gather(self, kSmall, received, deadline);
      },
      [](FaultRank& self, std::vector<uint8_t>&, SteadyTime deadline) {
        return self.communicator().Barrier(deadline);
      });
  EXPECT_THAT(reports, Each(HasSubstr("Barrier")));
  EXPECT_THAT(reports, Each(HasSubstr("AllGather")));
}

TEST_P(GlooDisagreementFaultTest, ADifferentSize) {
  const auto reports = ReportsOf(
      [](FaultRank& self, std::vector<uint8_t>& received, SteadyTime deadline) {
        return Gather(self, 100'000, received, deadline);
      },
      [](FaultRank& self, std::vector<uint8_t>& received, SteadyTime deadline) {
        return Gather(self, 100'001, received, deadline);
      });
  EXPECT_THAT(reports, Each(HasSubstr("100000")));
  EXPECT_THAT(reports, Each(HasSubstr("100001")));
}

TEST_P(GlooDisagreementFaultTest, MessagesThatDoNotPair) {
  const auto pass_on = [](size_t num_sent) {
    return [=](FaultRank& self, std::vector<uint8_t>& received,
               SteadyTime deadline) {
      const std::vector<uint8_t> sent(num_sent, kSent);
      received.resize(kSmall);
      const int rank = self.communicator().rank();
      return self.communicator().Exchange(
          {SendMessage{(rank + 1) % 3, {sent.data(), num_sent}}},
          {ReceiveMessage{(rank + 2) % 3, {received.data(), kSmall}}},
          deadline);
    };
  };
  const auto reports = ReportsOf(pass_on(kSmall), pass_on(kSmall - 1));
  EXPECT_THAT(reports, Each(HasSubstr("999")));
  EXPECT_THAT(reports, Each(HasSubstr("1000")));
}

TEST_P(GlooCheckedDisagreementFaultTest, ADifferentElementType) {
  const auto reports = ReportsOf(
      [](FaultRank& self, std::vector<uint8_t>& received, SteadyTime deadline) {
        return Gather(self, sizeof(int64_t), received, deadline);
      },
      [](FaultRank& self, std::vector<uint8_t>&, SteadyTime deadline) {
        int64_t value = 1;
        return self.communicator().AllReduceSum(absl::MakeSpan(&value, 1),
                                                deadline);
      });
  EXPECT_THAT(reports, Each(HasSubstr("element type")));
  EXPECT_THAT(reports, Each(HasSubstr("int64")));
}

TEST_P(GlooCheckedDisagreementFaultTest, ADifferentStep) {
  const auto reports =
      ReportsOfHolding([](CheckContext& held) { held.forward_id = 4711; });
  EXPECT_THAT(reports, Each(HasSubstr("forward id")));
  EXPECT_THAT(reports, Each(HasSubstr("4711")));
}

TEST_P(GlooCheckedDisagreementFaultTest, ADifferentInstalledPlacement) {
  EXPECT_THAT(ReportsOfHolding([](CheckContext& held) {
                held.installed_placement_hash = 4711;
              }),
              Each(HasSubstr("installed placement")));
}

TEST_P(GlooCheckedDisagreementFaultTest, ADifferentPlannedPlacement) {
  EXPECT_THAT(ReportsOfHolding([](CheckContext& held) {
                held.planned_placement_hash = 4711;
              }),
              Each(HasSubstr("planned placement")));
}

}  // namespace
}  // namespace eplb
