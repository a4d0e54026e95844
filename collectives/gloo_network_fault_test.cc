// Faults of the network between hosts. Each rank is a host: a process in a
// network namespace of its own, with a wire to a switch (a bridge) in the
// test's. The namespaces belong to processes, so all of it is gone when the
// test is, however it ends.
//
// Skips with the reason where the machine permits no namespaces or has no
// ip(8).

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collectives/communicator.h"
#include "collectives/gloo_fault_test.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/run_program.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::StartsWith;

constexpr int kHosts = 3;
constexpr char kIp[] = "/sbin/ip";
// Of the message that the fault cuts off: more than wires and buffers hold.
constexpr size_t kLarge = 256 << 20;

// OK, or what ip(8) says against it. `command` is without quotes.
absl::Status Ip(const std::string& command) {
  std::vector<std::string> words = absl::StrSplit(command, ' ');
  words.insert(words.begin(), kIp);
  const ProgramResult result = RunProcess(words);
  if (result.exit_status == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("ip ", command, ": ", result.standard_error));
}

bool WriteFile(const char* path, const std::string& text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool is_written = write(file, text.data(), text.size()) ==
                          static_cast<ssize_t>(text.size());
  close(file);
  return is_written;
}

// Puts this process, which has one thread, into a network of its own: as root,
// or as the root of a user namespace of its own.
absl::Status EnterOwnNetwork() {
  if (unshare(CLONE_NEWNET) == 0) return absl::OkStatus();
  const std::string user = absl::StrCat("0 ", geteuid(), " 1");
  const std::string group = absl::StrCat("0 ", getegid(), " 1");
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
      !WriteFile("/proc/self/setgroups", "deny") ||
      !WriteFile("/proc/self/uid_map", user) ||
      !WriteFile("/proc/self/gid_map", group)) {
    return absl::PermissionDeniedError(
        absl::StrCat("no network namespace here: ", strerror(errno)));
  }
  return absl::OkStatus();
}

// The switch, once for the process: forks of it inherit the network.
absl::Status MakeSwitch() {
  static const absl::Status* const result = new absl::Status([] {
    if (access(kIp, X_OK) != 0) {
      return absl::NotFoundError(absl::StrCat("no ", kIp, " here"));
    }
    absl::Status status = EnterOwnNetwork();
    for (const char* command :
         {"link set lo up", "link add switch type bridge", "link set switch up",
          "link add wire0 type veth peer name end0", "link delete wire0"}) {
      if (status.ok()) status = Ip(command);
    }
    return status;
  }());
  return *result;
}

std::string AddressOf(int rank) { return absl::StrCat("10.77.0.", rank + 1); }

class GlooNetworkFaultTest : public GlooFaultTest {
 protected:
  void SetUp() override {
    const absl::Status status = MakeSwitch();
    if (!status.ok()) GTEST_SKIP() << status;
  }
  void TearDown() override {
    hosts_.clear();
    for (int rank = 0; rank < kHosts; ++rank) {
      Ip(absl::StrCat("link delete wire", rank)).IgnoreError();
    }
  }

  // Ranks on hosts of their own, all connected; `body` goes on from there.
  void StartHosts(const RankBody& body) {
    for (int rank = 0; rank < kHosts; ++rank) {
      hosts_.push_back(std::make_unique<RankProcess>(
          [=, this](ParentLink& parent) { RunHost(rank, body, parent); }));
      ASSERT_EQ(hosts_[rank]->Hear(), "has a network");
      const std::string wire = absl::StrCat("wire", rank);
      for (const std::string& command :
           {absl::StrCat("link add ", wire, " type veth peer name eth0 netns ",
                         hosts_[rank]->pid()),
            absl::StrCat("link set ", wire, " master switch"),
            absl::StrCat("link set ", wire, " up")}) {
        ASSERT_EQ(Ip(command), absl::OkStatus());
      }
    }
    for (const auto& host : hosts_) host->Go();
    for (const auto& host : hosts_) ASSERT_EQ(host->Hear(), "OK");
  }

  void RunHost(int rank, const RankBody& body, ParentLink& parent) const {
    if (unshare(CLONE_NEWNET) != 0) return parent.Say(strerror(errno));
    parent.Say("has a network");
    parent.WaitForGo();
    for (const std::string& command :
         {std::string("link set lo up"),
          absl::StrCat("address add ", AddressOf(rank), "/24 dev eth0"),
          std::string("link set eth0 up")}) {
      const absl::Status status = Ip(command);
      if (!status.ok()) return parent.Say(std::string(status.message()));
    }
    GlooJobOptions options = OptionsOf(rank, kHosts);
    options.listen_address = AddressOf(rank);
    FaultRank self = MakeRank(options);
    parent.Say(self.Connect(kLate).ToString());
    body(self, parent);
    parent.WaitForGo();
  }

  static void PullTheWireOf(int rank) {
    EXPECT_EQ(Ip(absl::StrCat("link set wire", rank, " down")),
              absl::OkStatus());
  }

  Ranks hosts_;
};

INSTANTIATE_TEST_SUITE_P(Backends, GlooNetworkFaultTest,
                         testing::Values(kPlainGloo, kCheckedGloo),
                         GlooFaultCaseName);

TEST_P(GlooNetworkFaultTest, HostsExchange) {
  ASSERT_NO_FATAL_FAILURE(StartHosts([](FaultRank& self, ParentLink& parent) {
    std::vector<uint8_t> received(kSmall);
    const absl::Status status = self.PassOn(received, kLate);
    parent.Say(self.Report(status, received));
  }));
  for (const auto& host : hosts_) {
    EXPECT_THAT(host->Hear(),
                AllOf(StartsWith("OK [in time"), EndsWith(" received")));
  }
}

TEST_P(GlooNetworkFaultTest, AHostThatIsCutOffBetweenMessages) {
  ASSERT_NO_FATAL_FAILURE(StartHosts([](FaultRank& self, ParentLink& parent) {
    parent.WaitForGo();
    std::vector<uint8_t> received(kSmall);
    const absl::Status status = self.PassOn(received, kSoon);
    parent.Say(self.Report(status, received));
  }));
  PullTheWireOf(1);
  for (const auto& host : hosts_) host->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(hosts_[rank]->Hear(),
                EndsInTimeUntouched("DEADLINE_EXCEEDED", "rank 1"));
  }
  // It cannot tell that it is alone, but ends in time as well.
  EXPECT_THAT(hosts_[1]->Hear(),
              EndsInTimeUntouched("DEADLINE_EXCEEDED", "rank"));
}

TEST_P(GlooNetworkFaultTest, AHostThatIsCutOffInsideAMessage) {
  const SharedBytes received(kLarge);
  void* const to = received.data();
  ASSERT_NO_FATAL_FAILURE(StartHosts([=](FaultRank& self, ParentLink& parent) {
    const int rank = self.communicator().rank();
    std::vector<uint8_t> sent(rank == 1 ? kLarge : 0, kSent);
    // Nobody's time begins before all have their memory.
    const absl::Status ready =
        self.communicator().Barrier(SystemClock().Now() + kLate);
    if (!ready.ok()) return parent.Say(self.Report(ready));
    if (rank == 2) {
      // Has no part in the message; it waits behind it, and longer.
      const absl::Status status = self.Measure(kLate, [&](SteadyTime deadline) {
        const absl::Status empty =
            self.communicator().Exchange({}, {}, deadline);
        return empty.ok() ? self.communicator().Barrier(deadline) : empty;
      });
      return parent.Say(self.Report(status));
    }
    const absl::Status status = self.Measure(kSoon, [&](SteadyTime deadline) {
      return rank == 0
                 ? self.communicator().Exchange(
                       {}, {ReceiveMessage{1, {to, kLarge}}}, deadline)
                 : self.communicator().Exchange(
                       {SendMessage{0, {sent.data(), kLarge}}}, {}, deadline);
    });
    parent.Say(self.Report(status));
  }));
  ASSERT_TRUE(received.WaitForByte(0));
  // The message does not end while ip(8) is at work.
  hosts_[1]->Signal(SIGSTOP);
  PullTheWireOf(1);
  hosts_[1]->Signal(SIGCONT);
  EXPECT_THAT(hosts_[0]->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 1"));
  // From rank 0.
  EXPECT_THAT(hosts_[2]->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 1"));
  EXPECT_THAT(hosts_[1]->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 0"));
  EXPECT_EQ(received.bytes()[kLarge - 1], 0);
}

}  // namespace
}  // namespace eplb
