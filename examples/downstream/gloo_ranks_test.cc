// Ranks over Gloo, as this project would start them in processes of their own,
// with the helpers that EPLB's own tests have.

#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace downstream {
namespace {

TEST(GlooRanksTest, AddUpTheTokensThatEachHasCounted) {
  constexpr int kNumRanks = 2;
  eplb::SystemClock clock;
  const eplb::SteadyTime deadline = clock.Now() + std::chrono::seconds(30);
  const eplb::TemporaryFolder folder;
  std::vector<std::vector<int64_t>> tokens = {{100, 20, 3}, {400, 50, 6}};

  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kNumRanks; ++rank) {
    ranks.emplace_back([&, rank] {
      eplb::GlooJobOptions options;
      options.job_id = "downstream";
      options.rank = rank;
      options.num_ranks = kNumRanks;
      EPLB_ASSERT_OK_AND_ASSIGN(
          const auto factory,
          eplb::GlooCommunicatorFactory::Create(
              options, std::make_shared<eplb::DirectoryStore>(folder.path()),
              clock));
      EPLB_ASSERT_OK_AND_ASSIGN(
          const auto communicator,
          factory->Connect(/*epoch=*/1, {0, 1}, deadline));
      EPLB_EXPECT_OK(
          communicator->AllReduceSum(absl::MakeSpan(tokens[rank]), deadline));
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const std::vector<int64_t>& sums : tokens) {
    EXPECT_THAT(sums, testing::ElementsAre(500, 70, 9));
  }
}

}  // namespace
}  // namespace downstream
