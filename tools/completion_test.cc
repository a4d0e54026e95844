// Sources what the real `eplb completion bash` prints.

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public ::testing::Test {
 protected:
  // Completes the last of `words`, which are written as in bash.
  std::string Complete(const std::string& words) {
    const ProgramResult script =
        RunProcess({"tools/eplb", "completion", "bash"});
    EXPECT_EQ(script.exit_status, 0) << script.standard_error;
    const ProgramResult result = RunProcess(
        {"/bin/bash", "--norc", "-euc",
         absl::StrCat("source ", folder_.Write("s", script.standard_output),
                      "; COMP_WORDS=(", words,
                      "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _eplb; echo "
                      "\"${COMPREPLY[@]}\"")});
    EXPECT_EQ(result.exit_status, 0) << result.standard_error;
    return result.standard_output;
  }

  TemporaryFolder folder_;
};

TEST_F(CompletionTest, KnowsTheCommands) {
  EXPECT_EQ(Complete("eplb ''"),
            "run plan simulate inspect report completion help\n");
}

TEST_F(CompletionTest, KnowsThePolicies) {
  EXPECT_EQ(Complete("eplb plan --policy = ''"),
            "greedy hierarchical incremental refined\n");
  EXPECT_EQ(Complete("eplb simulate --policy = greedy,inc"),
            "greedy,incremental\n");
}

TEST_F(CompletionTest, KnowsFormatsAndShells) {
  EXPECT_EQ(Complete("eplb simulate --format = ''"), "text json\n");
  EXPECT_EQ(Complete("eplb completion ''"), "bash\n");
  EXPECT_THAT(Complete("eplb simulate --"), HasSubstr("--redundant= "));
  EXPECT_THAT(Complete("eplb run --load_"), HasSubstr("--load_decay="));
}

TEST_F(CompletionTest, RefusesOtherShells) {
  const ProgramResult result = RunProcess({"tools/eplb", "completion", "fish"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.standard_error, HasSubstr("'fish' is no shell"));
}

}  // namespace
}  // namespace eplb
