// Random runs on ranks that are processes over Gloo;
// eplb/state/state_test_run.h says what they check.

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_run.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

constexpr int kNumRanks = 4;

absl::Status ServeAsProcess(int rank, const std::string& folder,
                            uint64_t seed) {
  SystemClock clock;
  GlooJobOptions options;
  options.job_id = absl::StrCat("state-", seed);
  options.rank = rank;
  options.num_ranks = kNumRanks;
  EPLB_ASSIGN_OR_RETURN(
      const std::unique_ptr<GlooCommunicatorFactory> factory,
      GlooCommunicatorFactory::Create(
          options, std::make_shared<DirectoryStore>(folder), clock));
  std::vector<int> members(kNumRanks);
  std::iota(members.begin(), members.end(), 0);
  TestRank test_rank(*factory, clock, members);
  return ServeRandomRun(test_rank, MakeRandomRun(seed, kNumRanks), seed)
      .status();
}

TEST(EplbStateGlooTest, NeverServesAWrongWeightBetweenProcesses) {
  const TemporaryFolder folder;
  for (uint64_t seed = 101; seed <= 103; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::vector<std::unique_ptr<RankProcess>> processes;
    for (int rank = 0; rank < kNumRanks; ++rank) {
      processes.push_back(
          std::make_unique<RankProcess>([&, rank](ParentLink& parent) {
            std::string said =
                ServeAsProcess(rank, folder.path(), seed).ToString();
            // One line.
            for (char& c : said) c = c == '\n' ? ' ' : c;
            parent.Say(said);
            parent.WaitForGo();
          }));
    }
    for (const auto& process : processes) EXPECT_EQ(process->Hear(), "OK");
    for (const auto& process : processes) process->Go();
  }
}

}  // namespace
}  // namespace eplb
