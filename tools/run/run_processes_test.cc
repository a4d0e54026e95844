// `eplb run` with ranks that are processes: spawned, started one by one, by
// mpirun, and on hosts of their own; and what is left when one of them dies.

#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/run/dump_watch_test.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

constexpr char kForEver[] = "--steps=100000000";

std::vector<std::string> GlooWords(const std::vector<std::string>& flags) {
  std::vector<std::string> words = {"tools/eplb", "run", "--backend=gloo",
                                    "--layers=2"};
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

Json VerifiedResult(const ProgramResult& result) {
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  const Json json = Json::parse(result.standard_output, nullptr, false);
  EXPECT_TRUE(json.is_object()) << result.standard_output;
  EXPECT_EQ(json.value("weights_verified", false), true);
  EXPECT_EQ(json.value("outputs_match", false), true);
  EXPECT_EQ(json.value("backend", ""), "gloo");
  return json;
}

int CountLines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// The ranks of a spawned run, in their order.
std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::ifstream file(
      absl::StrCat("/proc/", parent, "/task/", parent, "/children"));
  std::vector<pid_t> children;
  pid_t child = 0;
  while (file >> child) children.push_back(child);
  return children;
}

// Until the rank is where the others can find it, and waits for them.
void WaitForEntry(int rank, const std::string& meeting_place) {
  const std::string entry = absl::StrCat(meeting_place, "/eplb.run.e1.r", rank);
  const SystemClock clock;
  const SteadyTime limit = clock.Now() + std::chrono::minutes(1);
  while (!std::filesystem::exists(entry)) {
    ASSERT_LT(clock.Now(), limit) << entry << " does not come";
    poll(nullptr, 0, /*timeout=*/1);
  }
}

// Ranks that flags tell who they are.
class RunProcessesTest : public ::testing::Test {
 protected:
  std::vector<std::string> RankWords(int rank, int world_size,
                                     std::vector<std::string> flags) const {
    flags.insert(flags.end(),
                 {absl::StrCat("--rank=", rank),
                  absl::StrCat("--world_size=", world_size),
                  absl::StrCat("--rendezvous=file://", folder_.path())});
    return GlooWords(flags);
  }

  std::vector<std::unique_ptr<StartedProcess>> StartRanks(
      int world_size, const std::vector<std::string>& flags) const {
    std::vector<std::unique_ptr<StartedProcess>> ranks;
    for (int rank = 0; rank < world_size; ++rank) {
      ranks.push_back(
          std::make_unique<StartedProcess>(RankWords(rank, world_size, flags)));
    }
    return ranks;
  }

  const TemporaryFolder folder_;
  const TemporaryFolder dump_;
};

TEST_F(RunProcessesTest, SpawnedRanksDoWhatThreadsDo) {
  const std::vector<std::string> flags = {"--ranks=4", "--layers=2",
                                          "--steps=50", "--interval=20",
                                          "--format=json"};
  std::vector<std::string> spawned = {"tools/eplb", "run", "--backend=gloo",
                                      "--spawn"};
  std::vector<std::string> threads = {"tools/eplb", "run"};
  spawned.insert(spawned.end(), flags.begin(), flags.end());
  threads.insert(threads.end(), flags.begin(), flags.end());
  const Json of_processes = VerifiedResult(RunProcess(spawned));
  const Json of_threads =
      Json::parse(RunProcess(threads).standard_output, nullptr, false);
  for (const char* const field :
       {"num_ranks", "steps", "balancedness_before", "balancedness_after",
        "rearrangements", "moved_slots", "moved_bytes"}) {
    EXPECT_EQ(of_processes.value(field, Json()),
              of_threads.value(field, Json()))
        << field;
  }
}

TEST_F(RunProcessesTest, AKilledSpawnedRankIsNamed) {
  StartedProcess run(
      GlooWords({"--spawn", "--ranks=4", kForEver, "--timeout=20s",
                 absl::StrCat("--dump_dir=", dump_.path())}));
  WaitForDump(dump_.path());
  const std::vector<pid_t> ranks = ChildrenOf(run.pid());
  ASSERT_EQ(ranks.size(), 4u);
  kill(ranks[2], SIGKILL);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.standard_output, IsEmpty());
  EXPECT_THAT(result.standard_error,
              AllOf(HasSubstr("eplb: UNAVAILABLE: rank 2 (process "),
                    HasSubstr("was ended by signal 9 (Killed)")));
  // One line of each survivor, and the parent's.
  EXPECT_EQ(CountLines(result.standard_error), 4) << result.standard_error;
}

TEST_F(RunProcessesTest, AnInterruptReachesTheSpawnedRanks) {
  StartedProcess run(
      GlooWords({"--spawn", "--ranks=3", "--redundant=2", kForEver,
                 absl::StrCat("--dump_dir=", dump_.path())}));
  WaitForDump(dump_.path());
  run.Signal(SIGINT);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_output, HasSubstr("weights verified: yes"));
  EXPECT_THAT(result.standard_error, HasSubstr("stopped after "));
}

TEST_F(RunProcessesTest, AnInterruptBeforeTheFirstStepIsNoFailure) {
  StartedProcess run(
      GlooWords({"--spawn", "--ranks=3", "--redundant=2", kForEver}),
      {.environment = {"TMPDIR=" + folder_.path()}});
  while (ChildrenOf(run.pid()).empty()) std::this_thread::yield();
  run.Signal(SIGINT);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, HasSubstr("stopped after "));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(RunProcessesTest, RanksStartedOneByOneMeet) {
  auto ranks = StartRanks(4, {"--steps=30", "--interval=10", "--format=json"});
  EXPECT_EQ(VerifiedResult(ranks[0]->Wait())["num_ranks"], 4);
  for (int rank = 1; rank < 4; ++rank) {
    const ProgramResult result = ranks[rank]->Wait();
    EXPECT_EQ(result.exit_status, 0) << result.standard_error;
    EXPECT_THAT(result.standard_output, IsEmpty());
    EXPECT_THAT(result.standard_error, IsEmpty());
  }
}

TEST_F(RunProcessesTest, ProcessesRearrangeInTheBackgroundToo) {
  StartedProcess run(
      GlooWords({"--spawn", "--ranks=4", "--async", "--steps=100000",
                 "--interval=400", "--expert_bytes=4096", "--format=json",
                 absl::StrCat("--dump_dir=", dump_.path())}));
  WaitForDump(dump_.path(), kRearranged);
  run.Signal(SIGINT);
  const Json json = VerifiedResult(run.Wait());
  EXPECT_EQ(json["use_async"], true);
  EXPECT_GT(json["moved_slots"], 0);
}

TEST_F(RunProcessesTest, EverySurvivorOfAKilledRankNamesIt) {
  auto ranks = StartRanks(4, {kForEver, "--timeout=20s",
                              absl::StrCat("--dump_dir=", dump_.path())});
  WaitForDump(dump_.path());
  ranks[2]->Signal(SIGKILL);
  for (const int survivor : {0, 1, 3}) {
    const ProgramResult result = ranks[survivor]->Wait();
    EXPECT_EQ(result.exit_status, 3) << result.standard_error;
    EXPECT_THAT(result.standard_error,
                AllOf(HasSubstr("eplb: "), ContainsRegex("rank 2([^0-9]|$)")))
        << "rank " << survivor;
    EXPECT_EQ(CountLines(result.standard_error), 1) << result.standard_error;
  }
}

TEST_F(RunProcessesTest, EverySurvivorOfAStoppedRankNamesIt) {
  auto ranks = StartRanks(3, {kForEver, "--redundant=2", "--timeout=8s",
                              absl::StrCat("--dump_dir=", dump_.path())});
  WaitForDump(dump_.path());
  ranks[2]->Signal(SIGSTOP);
  for (const int survivor : {0, 1}) {
    const ProgramResult result = ranks[survivor]->Wait();
    EXPECT_EQ(result.exit_status, 3) << result.standard_error;
    // The other survivor may be named beside it where its word comes late.
    EXPECT_THAT(result.standard_error,
                AllOf(HasSubstr("eplb: "),
                      ContainsRegex("(rank |ranks [01](-| and ))2([^0-9]|$)")))
        << "rank " << survivor;
    EXPECT_EQ(CountLines(result.standard_error), 1) << result.standard_error;
  }
}

TEST_F(RunProcessesTest, ARankThatNeverComesIsNamed) {
  StartedProcess first(RankWords(0, 3, {"--timeout=2s", "--redundant=2"}));
  StartedProcess last(RankWords(2, 3, {"--timeout=2s", "--redundant=2"}));
  for (StartedProcess* const rank : {&first, &last}) {
    const ProgramResult result = rank->Wait();
    EXPECT_EQ(result.exit_status, 3);
    // Whoever came late himself may be named beside it.
    EXPECT_THAT(result.standard_error,
                ContainsRegex("rank 1[^0-9]|ranks (0 and )?1( and 2)?[^0-9]"));
    EXPECT_EQ(CountLines(result.standard_error), 1) << result.standard_error;
  }
}

// Longer than the test may take.
constexpr char kForAges[] = "--timeout=10m";

TEST_F(RunProcessesTest, AnInterruptEndsTheWaitForARankThatNeverComes) {
  const std::vector<std::string> flags = {"--redundant=2", kForAges};
  StartedProcess first(RankWords(0, 3, flags));
  StartedProcess last(RankWords(2, 3, flags));
  WaitForEntry(0, folder_.path());
  WaitForEntry(2, folder_.path());
  first.Signal(SIGINT);
  last.Signal(SIGTERM);
  const ProgramResult result = first.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, HasSubstr("stopped after 0 of 400 steps"));
  EXPECT_EQ(CountLines(result.standard_error), 1) << result.standard_error;
  EXPECT_THAT(result.standard_output, IsEmpty());
  // Only rank 0 has something to say.
  const ProgramResult of_last = last.Wait();
  EXPECT_EQ(of_last.exit_status, 0) << of_last.standard_error;
  EXPECT_THAT(of_last.standard_error, IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(RunProcessesTest, AnInterruptEndsTheWaitForARankThatDoesNotAnswer) {
  const std::vector<std::string> flags = {kForAges};
  StartedProcess silent(RankWords(1, 2, flags));
  WaitForEntry(1, folder_.path());
  silent.Signal(SIGSTOP);
  StartedProcess run(RankWords(0, 2, flags));
  WaitForEntry(0, folder_.path());
  run.Signal(SIGINT);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, HasSubstr("stopped after 0 of 400 steps"));
}

TEST_F(RunProcessesTest, AnInterruptLeavesNothingOfALaunchersJob) {
  const std::string meeting_place =
      folder_.PathOf(absl::StrCat("eplb-", geteuid(), "-run"));
  StartedProcess run(
      GlooWords({kForAges}),
      {.environment = {"TMPDIR=" + folder_.path(), "OMPI_COMM_WORLD_RANK=0",
                       "OMPI_COMM_WORLD_SIZE=2",
                       "OMPI_COMM_WORLD_LOCAL_SIZE=2"}});
  WaitForEntry(0, meeting_place);
  run.Signal(SIGTERM);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(RunProcessesTest, MpirunSaysWhoIsWho) {
  if (access("/usr/bin/mpirun", X_OK) != 0) {
    GTEST_SKIP() << "no mpirun here (package openmpi-bin)";
  }
  const ProgramResult result =
      RunProcess({"/usr/bin/mpirun", "--allow-run-as-root", "--oversubscribe",
                  "-n", "4", "tools/eplb", "run", "--backend=gloo",
                  "--steps=40", "--interval=20", "--layers=2", "--format=json"},
                 {.environment = {"TMPDIR=" + folder_.path()}});
  EXPECT_EQ(VerifiedResult(result)["num_ranks"], 4);
}

// Three hosts: network namespaces wired to a bridge in a fourth, none of which
// has a name, so that nothing stays behind.
constexpr char kThreeHosts[] = R"sh(
set -e
ip link add bridge0 type bridge
ip link set bridge0 up
for i in 0 1 2; do
  mkfifo ready$i go$i
  unshare --net bash -c "
    echo > ready$i
    read -r < go$i
    ip link set lo up
    ip addr add 10.77.0.$((i + 1))/24 dev eth0
    ip link set eth0 up
    exec $EPLB run --backend=gloo --rank=$i --world_size=3 --listen=eth0 \
      --rendezvous=file://$PWD --redundant=2 --layers=2 --steps=30 \
      --interval=10 --format=json" > out$i 2> error$i &
  host[i]=$!
  read -r < ready$i
  ip link add veth$i type veth peer name eth0 netns ${host[i]}
  ip link set veth$i master bridge0 up
done
for i in 0 1 2; do echo > go$i; done
for i in 0 1 2; do wait ${host[i]} || { cat error$i >&2; exit 1; }; done
cat out0
)sh";

// How this user may make a network: as root, or as the root of a user
// namespace; empty when not at all.
std::string UnshareNetwork() {
  for (const char* const unshare :
       {"unshare --net", "unshare --user --map-root-user --net"}) {
    const std::string trial =
        absl::StrCat(unshare,
                     " bash -c 'ip link add bridge0 type bridge &&"
                     " ip link add veth0 type veth peer name veth1'");
    if (RunProcess({"/bin/bash", "-c", trial}).exit_status == 0) return unshare;
  }
  return "";
}

TEST_F(RunProcessesTest, ThreeHostsServeTogether) {
  const std::string unshare = UnshareNetwork();
  if (unshare.empty()) {
    GTEST_SKIP() << "this user cannot make network namespaces, or there is no "
                    "ip (package iproute2)";
  }
  char folder[4096];
  ASSERT_NE(getcwd(folder, sizeof(folder)), nullptr);
  const ProgramResult result =
      RunProcess({"/bin/bash", "-c",
                  absl::StrCat("cd ", folder_.path(), " && exec ", unshare,
                               " bash -c \"$SCRIPT\"")},
                 {.environment = {absl::StrCat("EPLB=", folder, "/tools/eplb"),
                                  absl::StrCat("SCRIPT=", kThreeHosts)}});
  const Json json = VerifiedResult(result);
  EXPECT_EQ(json["num_ranks"], 3);
  EXPECT_GT(json["moved_slots"], 0);
}

}  // namespace
}  // namespace eplb
