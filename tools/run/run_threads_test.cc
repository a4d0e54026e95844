#include "tools/run/run_threads.h"

#include <signal.h>

#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "tools/run/dump_watch_test.h"
#include "tools/run/run_options.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"
#include "tools/run/stop_signal.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

class RunThreadsTest : public ::testing::Test {
 protected:
  RunThreadsTest() {
    options_.traffic.layers = 2;
    options_.traffic.experts = 8;
    options_.traffic.steps = 60;
    options_.traffic.traffic = "lognormal:1.5,drift=0.98";
    options_.redundant = 4;
    options_.expert_bytes = 2048;
    options_.tokens = 16;
    options_.interval = 15;
    options_.window = 15;
  }

  absl::StatusOr<RunResult> Run(int num_ranks) {
    PolicyRegistry policies;
    EXPECT_THAT(RegisterBuiltinPolicies(policies), IsOk());
    RankJob job;
    job.options = &options_;
    job.num_ranks = num_ranks;
    job.policies = &policies;
    job.clock = &clock_;
    job.stop = &stop_;
    EPLB_ASSIGN_OR_RETURN(const std::optional<RunResult> result,
                          RunThreads(job));
    return result.has_value() ? absl::StatusOr<RunResult>(*result)
                              : absl::CancelledError("no result");
  }

  SystemClock clock_;
  const StopSignal stop_;
  RunOptions options_;
};

TEST_F(RunThreadsTest, RanksServeAndRearrangeBetweenSteps) {
  const absl::StatusOr<RunResult> result = Run(4);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->steps, 60);
  EXPECT_EQ(result->figures.weights_verified, 1);
  EXPECT_EQ(result->figures.outputs_match, 1);
  EXPECT_EQ(result->figures.outputs_checked, 4 * 60 * 16);
  EXPECT_GT(result->rearrangements, 0);
  EXPECT_GT(result->moved_slots, 0);
}

TEST_F(RunThreadsTest, RanksServeAndRearrangeInTheBackground) {
  const TemporaryFolder folder;
  options_.use_async = true;
  options_.dump_dir = folder.path();
  options_.interval = 400;
  // However long the workers take for a rearrangement.
  options_.traffic.steps = 100'000;
  absl::StatusOr<RunResult> result;
  std::thread run([&] { result = Run(3); });
  WaitForDump(folder.path(), kRearranged);
  ASSERT_EQ(raise(SIGTERM), 0);
  run.join();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->figures.weights_verified, 1);
  EXPECT_EQ(result->figures.outputs_match, 1);
  EXPECT_GT(result->moved_slots, 0);
}

TEST_F(RunThreadsTest, AWishToStopEndsTheRunAtTheNextStep) {
  ASSERT_EQ(raise(SIGTERM), 0);
  const absl::StatusOr<RunResult> result = Run(4);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->steps, 0);
  EXPECT_EQ(result->figures.weights_verified, 1);
}

TEST_F(RunThreadsTest, TheFirstErrorIsTheResult) {
  options_.policy.policy = "none";
  EXPECT_THAT(Run(4), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace eplb
