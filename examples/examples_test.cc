// Runs the examples as a user would, and looks at what they print and write.

#include <string>
#include <vector>

#include "eplb/load/placement_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run_program.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::string OutputOf(const std::vector<std::string>& words) {
  const ProgramResult result = RunProcess(words);
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  return result.standard_output;
}

TEST(ExamplesTest, CustomPolicyStandsBesideTheBuiltInOnes) {
  const std::string output = OutputOf({"examples/custom_policy"});
  for (const char* const policy :
       {"greedy", "hierarchical", "incremental", "least_loaded", "refined"}) {
    EXPECT_THAT(output, ContainsRegex(std::string(policy) +
                                      " +balancedness [01]\\.[0-9]+"));
  }
}

TEST(ExamplesTest, ServeLoopMovesExpertsAndKeepsThemRight) {
  const std::string output = OutputOf({"examples/serve_loop"});
  // At a quarter of the interval, and every 40 steps after.
  EXPECT_THAT(output,
              ContainsRegex("step 9: balancedness 0\\.[0-9]+, planned "
                            "(0\\.9[0-9]|1\\.00), [1-9][0-9]* slots moved"));
  EXPECT_THAT(output, HasSubstr("step 49: "));
  EXPECT_THAT(output,
              HasSubstr("100 steps on 4 ranks: every slot holds its expert"));
}

TEST(ExamplesTest, OfflinePlanWritesAPlacementThatReadsBack) {
  const TemporaryFolder folder;
  const std::string plan = folder.PathOf("plan.json");
  const std::string output =
      OutputOf({"examples/offline_plan",
                "testing/data/gptoss20b_domain_counts.npy", "40", "8", plan});
  EXPECT_THAT(output,
              HasSubstr("24 layers, 32 experts in 40 slots on 8 ranks"));
  const auto file = ReadPlacementFile(plan);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->policy, "refined");
  EXPECT_EQ(file->num_ranks, 8);
  EXPECT_EQ(file->placement.num_slots(), 40);
}

TEST(ExamplesTest, OfflinePlanSaysWhatIsWrong) {
  const TemporaryFolder folder;
  const ProgramResult result =
      RunProcess({"examples/offline_plan", folder.PathOf("none.npy"), "40", "8",
                  folder.PathOf("plan.json")});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.standard_error, HasSubstr("none.npy"));
  EXPECT_EQ(RunProcess({"examples/offline_plan"}).exit_status, 2);
}

}  // namespace
}  // namespace eplb
