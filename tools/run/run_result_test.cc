#include "tools/run/run_result.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

RunResult Example() {
  return {.backend = "gloo",
          .num_ranks = 4,
          .steps = 400,
          .policy = "greedy",
          .use_async = true,
          .balancedness_before = 0.5,
          .balancedness_after = 0.9375,
          .rearrangements = 3,
          .moved_slots = 100,
          .moved_bytes = 6553600,
          .figures = {.weights_verified = 1,
                      .outputs_match = 0,
                      .slots_checked = 320,
                      .outputs_checked = 7,
                      .longest_stall_ns = 1500000,
                      .total_stall_ns = 3000000}};
}

TEST(RunResultTest, JsonHasTheContractsFieldsInTheirOrder) {
  const auto json = nlohmann::ordered_json::parse(RunResultJson(Example()));
  std::vector<std::string> names;
  for (const auto& field : json.items()) names.push_back(field.key());
  EXPECT_THAT(names, ElementsAre("format", "backend", "num_ranks", "steps",
                                 "policy", "use_async", "balancedness_before",
                                 "balancedness_after", "rearrangements",
                                 "moved_slots", "moved_bytes",
                                 "longest_stall_seconds", "total_stall_seconds",
                                 "weights_verified", "outputs_match"));
  EXPECT_EQ(json["format"], "eplb.run/1");
  EXPECT_EQ(json["use_async"], true);
  EXPECT_EQ(json["balancedness_after"], 0.9375);
  EXPECT_EQ(json["longest_stall_seconds"], 0.0015);
  EXPECT_EQ(json["weights_verified"], true);
  EXPECT_EQ(json["outputs_match"], false);
}

TEST(RunResultTest, TextSaysWhetherTheWeightsAreRight) {
  const std::string text = RunResultText(Example(), /*color=*/false);
  EXPECT_THAT(text, HasSubstr("weights verified: yes (320 slots)"));
  EXPECT_THAT(text, HasSubstr("outputs match: no (7 tokens)"));
  EXPECT_THAT(text, HasSubstr("4 (gloo)"));
  EXPECT_THAT(text, HasSubstr("6.2 MiB"));
  EXPECT_THAT(text, HasSubstr("1.50 ms"));
}

TEST(RunResultTest, OneRankThatSawWrongBytesIsEnough) {
  SystemClock clock;
  EXPECT_THAT(RunInProcessRanks(
                  3, clock,
                  [&](std::unique_ptr<Communicator> communicator) {
                    const int rank = communicator->rank();
                    RankFigures figures = {.weights_verified = rank != 1,
                                           .slots_checked = 10 + rank,
                                           .longest_stall_ns = 5 * rank};
                    const absl::Status status = figures.Gather(
                        *communicator, clock.Now() + std::chrono::minutes(1));
                    EXPECT_EQ(figures.weights_verified, 0);
                    EXPECT_EQ(figures.outputs_match, 1);
                    EXPECT_EQ(figures.slots_checked, 33);
                    EXPECT_EQ(figures.longest_stall_ns, 10);
                    return status;
                  }),
              Each(IsOk()));
}

}  // namespace
}  // namespace eplb
